"""A compact set of ids, about 16 bytes each, and the check that the ids of a source are unique."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator

from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow


class IdSet:
    """A set of ids that stores a digest of 64 bits of each. For 10⁶ ids the collision probability is below 10⁻⁷.

    The digest of an id is the same in every process: if two ids do collide, the same record fails in every run.
    """

    def __init__(self) -> None:
        self._slots = _free_slots(1024)
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def add(self, id: str) -> bool:
        """Add an id; False if the set has it already."""
        if not _insert(self._slots, _digest(id)):
            return False
        self._number += 1
        if 2 * self._number > len(self._slots):  # at most half full, so that probing stays short
            self._grow()
        return True

    def _grow(self) -> None:
        larger = _free_slots(2 * len(self._slots))
        for digest in self._slots:
            if digest:
                _insert(larger, digest)
        self._slots = larger


def _digest(id: str) -> int:
    """The digest of an id as a signed integer of 64 bits, never 0. Unlike `hash`, it has no salt of the process."""
    digest = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _free_slots(slots: int) -> array[int]:
    """An array of free slots, each 0; their number is a power of two."""
    return array("q", bytes(8 * slots))


def _insert(slots: array[int], digest: int) -> bool:
    """Put a digest into the first free slot at or after its own (linear probing); False if it is there already."""
    last = len(slots) - 1
    at = digest & last
    while found := slots[at]:
        if found == digest:
            return False
        at = (at + 1) & last
    slots[at] = digest
    return True


def with_unique_ids(rows: Iterable[SourceRow], *, path: str, empty: str) -> Iterator[SourceRow]:
    """The rows; a row whose id was used before gets an error, after its own error if it has one, and an id of its own.

    `path` is for the message. Raises `ConfigError` with the message `empty` if there are no rows.
    """
    ids = IdSet()
    number = 0
    for number, row in enumerate(rows, 1):
        if ids.add(row.id):
            yield row
        else:
            used = f"{path}: row {number}: the id '{row.id[:200]}' was used above"
            yield SourceRow(f"{row.id}%row{number}", {}, f"{row.error}; {used}" if row.error else used)
    if number == 0:
        raise ConfigError(empty)
