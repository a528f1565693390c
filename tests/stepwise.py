"""A stand-in for `os` that calls a function before each change of a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

EFFECTS = ("rename", "link", "mkdir", "unlink", "write")
"""Functions of `os` that change something; opening a file to create it counts too."""


def stepwise_os(step: Callable[[], None]) -> SimpleNamespace:
    """All of `os`; what changes files calls `step` first."""

    def stepwise(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            step()
            return change(*words, **named)

        return call

    def opened(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            step()
        return os.open(path, flags, *more, **named)

    names = [name for name in dir(os) if not name.startswith("__")]
    changes = {name: stepwise(getattr(os, name)) for name in EFFECTS}
    return SimpleNamespace(**{**{name: getattr(os, name) for name in names}, **changes, "open": opened})
