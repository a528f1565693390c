"""Audit of parts: compares the bytes of each sample with the checksum in the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.ledger_audit import accepted_tables
from datagen.execute.workers.commit import parts_folder
from datagen.shards.plan import MB, cut
from datagen.shards.verify import Problem

_CHUNK = 16 * MB
_REMEDY = "`verify OUT --repair` removes the part, then the same run command computes its slice anew"


class _SampleLocation(NamedTuple):
    """Where the bytes of a sample should be."""

    key: str
    part: str
    offset: int
    size: int
    sha256: str


def part_problems(ledger: Ledger, slices: Iterable[str]) -> Iterator[Problem]:
    """Yield a problem for each sample whose bytes in its part differ from those that the ledger lists.

    A missing part is no problem of the dataset: a run that needs it computes its slice again. At most some 16 MB of
    samples are in memory at a time.
    """
    folder = parts_folder(ledger.fingerprint)
    sizes = {f"{folder}/{name}": size for name, size in ledger.store.sizes(folder).items()}
    for table in accepted_tables(ledger, slices, columns=_SampleLocation._fields):
        for start, stop in cut(table["size"].to_numpy(), _CHUNK):
            samples = [_SampleLocation(**row) for row in table.slice(start, stop - start).to_pylist()]
            yield from _chunk_problems(ledger, samples, sizes)


def _chunk_problems(ledger: Ledger, samples: list[_SampleLocation], sizes: Mapping[str, int]) -> Iterator[Problem]:
    present = [sample for sample in samples if sample.part in sizes]
    within = [sample for sample in present if min(sample.offset, sample.size) >= 0]
    long_enough = [sample for sample in within if sample.offset + sample.size <= sizes[sample.part]]
    for sample in present:
        if sample not in within:
            yield Problem(sample.part, sample.key, "the ledger places the sample before the part begins", _REMEDY)
        elif sample.offset + sample.size > sizes[sample.part]:
            yield Problem(sample.part, sample.key, "the part ends before the sample does", _REMEDY)
    found = ledger.store.read_ranges([(sample.part, sample.offset, sample.size) for sample in long_enough])
    for sample, data in zip(long_enough, found, strict=True):
        if hashlib.sha256(data).hexdigest() != sample.sha256:
            yield Problem(sample.part, sample.key, "its bytes are not those that the ledger lists", _REMEDY)
