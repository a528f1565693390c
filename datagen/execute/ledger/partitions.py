"""Partitions: several drivers run into one OUT, each computes every n-th slice.

The driver that finds all slices committed packs the dataset.
"""

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
"""A digest of the slices and options of the last packing by one of several drivers."""


class Partition(NamedTuple):
    """The slices that one of several drivers computes."""

    number: int
    """From 1."""
    of: int

    @classmethod
    def parse(cls, text: str) -> Partition:
        """Parse a text such as "2/4". Raises `ConfigError` if it has another form or range."""
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
        """Whether the slice with this number belongs to the partition."""
        return number % self.of == self.number - 1


def describe_unfinished(slices: Iterable[str], *, of: int) -> str:
    """A sentence part that names the partitions with uncommitted slices, how many, and the first of each."""
    left: dict[int, list[str]] = {}
    for name in slices:
        left.setdefault(number_of(name) % of + 1, []).append(name)
    shares = [
        f"{index}/{of} ({len(names)} slice{'s' if len(names) > 1 else ''} left, the first is {names[0]})"
        for index, names in sorted(left.items())
    ]
    return f"share {' and '.join(shares)}"


class PackReceipt:
    """Detects whether another driver packed the same dataset while this driver ran."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._token = self._read().get("token")

    def is_new(self, state: str) -> bool:
        """Whether `state`, a `pack_digest`, was packed after this object was made."""
        found = self._read()
        return found.get("state") == state and found.get("token") != self._token

    def enter(self, state: str) -> None:
        """Record that `state`, a `pack_digest`, is packed."""
        # A new token each time, so that packing the same state again is noticed too.
        self._store.write(PACKED, json.dumps({"state": state, "token": uuid.uuid4().hex}).encode())

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._store.read(PACKED))
        except (StoreError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def pack_digest(slices: Mapping[str, int], *, options: Any) -> str:
    """A digest of the slices to pack, with their row counts, and the packing options."""
    return hashlib.sha256(json.dumps([dict(slices), options], sort_keys=True).encode()).hexdigest()
