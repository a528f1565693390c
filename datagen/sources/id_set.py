"""Remembers which ids there were, in some 16 bytes each."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator

from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow


class Seen:
    """A set of ids that keeps a digest of 64 bits of each. For 10⁶ ids the collision probability is below 10⁻⁷.

    The digest of an id is the same in every process: if two ids do collide, the same record fails in every run.
    """

    def __init__(self) -> None:
        self._slots = _empty(1024)
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def add(self, id: str) -> bool:
        """Take an id in; False if it was there."""
        if not _put(self._slots, _mark(id)):
            return False
        self._number += 1
        if 2 * self._number > len(self._slots):
            self._grow()
        return True

    def _grow(self) -> None:
        larger = _empty(2 * len(self._slots))
        for mark in self._slots:
            if mark:
                _put(larger, mark)
        self._slots = larger


def _mark(id: str) -> int:
    """The digest of an id as a signed integer of 64 bits, never 0. Unlike `hash`, it has no salt of the process."""
    digest = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _empty(slots: int) -> array[int]:
    """That many slots, a power of two, each free: 0."""
    return array("q", bytes(8 * slots))


def _put(slots: array[int], mark: int) -> bool:
    """Put a mark into the first free slot from its own on; False if it is there."""
    last = len(slots) - 1
    at = mark & last
    while found := slots[at]:
        if found == mark:
            return False
        at = (at + 1) & last
    slots[at] = mark
    return True


def once(rows: Iterable[SourceRow], *, place: str, empty: str) -> Iterator[SourceRow]:
    """The rows; one whose id was used above fails, under an id of its own, and still tells what else is wrong.

    Raises `ConfigError` with what `empty` says if there are none.
    """
    seen = Seen()
    number = 0
    for number, row in enumerate(rows, 1):
        if seen.add(row.id):
            yield row
        else:
            used = f"{place}: row {number}: the id '{row.id[:200]}' was used above"
            yield SourceRow(f"{row.id}%row{number}", {}, f"{row.error}; {used}" if row.error else used)
    if number == 0:
        raise ConfigError(empty)
