"""Several drivers over one OUT: each takes every n-th slice, and the last one packs."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from datagen.core.errors import ConfigError, StoreError
from datagen.execute.ledger.entries import number_of
from datagen.storage.store import Store

PACKED = "run/locks/packed.json"
"""Which slices were packed last by one of several drivers, and with which options."""


class Partition(NamedTuple):
    """The part of the slices that one of several drivers takes."""

    number: int
    """From 1."""
    of: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """The share in a text such as "2/4". Raises `ConfigError` if that is none."""
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        share = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= share.number <= share.of:
            raise ConfigError(
                f"--slices takes I/N with I from 1 to N, such as 1/2 for the first of two drivers and 2/2 "
                f"for the second; got '{text}'"
            )
        return share

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def takes(self, number: int) -> bool:
        """Whether the slice with that number is its own."""
        return number % self.of == self.number - 1


def describe_unfinished(slices: Iterable[str], *, of: int) -> str:
    """Which shares have slices left, and which slices, for a person."""
    left: dict[int, list[str]] = {}
    for name in slices:
        left.setdefault(number_of(name) % of + 1, []).append(name)
    told = [
        f"{index}/{of} ({len(names)} slice{'s' if len(names) > 1 else ''} left, the first is {names[0]})"
        for index, names in sorted(left.items())
    ]
    return f"share {' and '.join(told)}"


class PackReceipt:
    """Tells whether another driver packed the same dataset while this one ran."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = self._found().get("token")

    def is_new(self, state: str) -> bool:
        """Whether `state` was packed since this was made."""
        found = self._found()
        return found.get("state") == state and found.get("token") != self._seen

    def enter(self, state: str) -> None:
        """Note that `state` is packed."""
        self._store.write(PACKED, json.dumps({"state": state, "token": uuid.uuid4().hex}).encode())

    def _found(self) -> dict[str, Any]:
        try:
            found = json.loads(self._store.read(PACKED))
        except (StoreError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def pack_digest(slices: Mapping[str, int], *, options: Any) -> str:
    """A digest of what is to be packed, and how."""
    return hashlib.sha256(json.dumps([dict(slices), options], sort_keys=True).encode()).hexdigest()
