"""Whether the samples in the parts are what the ledger lists, byte by byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa

from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.ledger_audit import accepted_tables
from datagen.execute.workers.commit import parts_folder
from datagen.shards.plan import MB, cut
from datagen.shards.verify import Problem

_CHUNK = 16 * MB
_REMEDY = "`verify OUT --repair` removes the part, then the same run command computes its slice anew"


class _Place(NamedTuple):
    """Where a sample's bytes should be."""

    key: str
    part: str
    offset: int
    size: int
    sha256: str


def part_problems(ledger: Ledger, slices: Iterable[str]) -> Iterator[Problem]:
    """Samples whose bytes in their part are not those that the ledger lists.

    A part that is not there at all is no problem of the dataset: what needs it computes its slice
    anew. Holds 16 MB of samples at a time.
    """
    folder = parts_folder(ledger.fingerprint)
    sizes = {f"{folder}/{name}": size for name, size in ledger.store.sizes(folder).items()}
    for table in accepted_tables(ledger, slices, columns=_Place._fields):
        for start, stop in cut(table["size"].to_numpy(), _CHUNK):
            yield from _faults(ledger, _places(table.slice(start, stop - start)), sizes)


def _places(table: pa.Table) -> list[_Place]:
    return [_Place(**row) for row in table.to_pylist()]


def _faults(ledger: Ledger, places: list[_Place], sizes: Mapping[str, int]) -> Iterator[Problem]:
    there = [place for place in places if place.part in sizes]
    within = [place for place in there if min(place.offset, place.size) >= 0]
    long_enough = [place for place in within if place.offset + place.size <= sizes[place.part]]
    for place in there:
        if place not in within:
            yield Problem(place.part, place.key, "the ledger places the sample before the part begins", _REMEDY)
        elif place.offset + place.size > sizes[place.part]:
            yield Problem(place.part, place.key, "the part ends before the sample does", _REMEDY)
    found = ledger.store.read_ranges([(place.part, place.offset, place.size) for place in long_enough])
    for place, data in zip(long_enough, found, strict=True):
        if hashlib.sha256(data).hexdigest() != place.sha256:
            yield Problem(place.part, place.key, "its bytes are not those that the ledger lists", _REMEDY)
