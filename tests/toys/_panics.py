"""What foreign code may raise."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping


class PanicError(BaseException):
    """As pyo3's `PanicException`, which code in Rust raises: no `Exception`."""


class SilentError(Exception):
    """An exception without a message."""

    def __str__(self) -> str:
        raise PanicError("there is no message either")


RAISED: Mapping[str, BaseException] = {
    "panic": PanicError("called `Option::unwrap()` on a `None` value"),
    "cancelled": asyncio.CancelledError("of its own"),
    "generator": GeneratorExit("odd"),
    "exit": SystemExit(3),
    "silent": SilentError(),
    "group": BaseExceptionGroup("several", [PanicError("one"), ValueError("other")]),
    "long": ValueError("x" * 3_000_000),
    "memory": MemoryError(),
}


def go_off(caption: str) -> None:
    """Raise what is called so, if anything is."""
    if caption in RAISED:
        raise RAISED[caption]
