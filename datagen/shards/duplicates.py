"""Exact duplicates: of samples with equal content, the one with the lowest slice, then the lowest id, stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datagen.shards.columns import Digests, Flags, Numbers, Rows, digests, found_in

DUPLICATE = "duplicate"
SAME = "same content as"


class SampleHashes(NamedTuple):
    """Hashes of samples, sorted by key."""

    keys: Digests
    contents: Digests
    slices: NDArray[np.int32]


class Drops(NamedTuple):
    """Samples that packing drops, sorted by key: 20 bytes each, and text."""

    keys: Digests
    slices: NDArray[np.int32]
    why: pa.Table
    """One row a sample, with the columns of `WHY`: the reason, the key of the sample that stays, a detail."""


WHY = pa.schema([(name, pa.large_string()) for name in ("reason", "of", "detail")])


class Dropped:
    """All samples that packing drops, looked up by key, with the reason of each."""

    def __init__(self, *kinds: Drops, seed: int) -> None:
        keys = np.concatenate([digests([]), *(drops.keys for drops in kinds)])
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._why = pa.concat_tables([WHY.empty_table(), *(drops.why for drops in kinds)]).take(pa.array(order))
        self._seed = seed
        self.slices = frozenset(int(number) for drops in kinds for number in np.unique(drops.slices))
        """Numbers of the slices that these samples belong to."""

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def counts(self) -> dict[str, int]:
        """Number of dropped samples by reason."""
        found = pc.value_counts(self._why["reason"]).to_pylist()
        return {row["values"]: row["counts"] for row in sorted(found, key=itemgetter("values"))}

    def rows(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The dropped rows of tables of samples, with the columns `why.reason`, `why.of` and `why.detail` added."""
        for table in tables:
            wanted = digests(table["key"], seed=self._seed)
            places, known = found_in(self._keys, wanted)
            if known.any():
                chosen = table.filter(pa.array(known))
                why = self._why.take(pa.array(places[known]))
                for name in WHY.names:
                    chosen = chosen.append_column(f"why.{name}", why[name])
                yield chosen


def drop_duplicates(samples: SampleHashes, rows: Rows, *, seed: int) -> tuple[Flags, Drops]:
    """Which samples stay, and the dropped ones with their reasons.

    The result depends neither on the order of the rows nor on how they are cut into tables.
    """
    first = _first_of_content(samples, rows, seed)
    stays = first == np.arange(len(first))
    later = np.flatnonzero(~stays)
    names = names_of(rows, samples.keys[first[later]], seed=seed)
    return stays, Drops(samples.keys[later], samples.slices[later], why(DUPLICATE, names, [SAME] * len(later)))


def why(reason: str, of: pa.Array, details: Sequence[str]) -> pa.Table:
    """A table with the columns of `WHY` for samples that are all dropped for the same reason."""
    size = len(of)
    return pa.table(
        [pa.array([reason] * size, pa.large_string()), of, pa.array(details, pa.large_string())], schema=WHY
    )


def _first_of_content(samples: SampleHashes, rows: Rows, seed: int) -> Numbers:
    """For each sample, the row of the sample with the same content that stays."""
    _, codes = np.unique(samples.contents, return_inverse=True)
    order = np.lexsort((samples.slices, codes))
    sorted_codes, sorted_slices = codes[order], samples.slices[order]
    begins = np.flatnonzero(np.diff(sorted_codes, prepend=-1))
    first = order[begins]
    lowest = sorted_slices == sorted_slices[begins][sorted_codes]
    # the order of rows is not fixed within a slice, so ids decide; they are read only where there is a tie
    tied = np.flatnonzero(np.bincount(sorted_codes[lowest], minlength=len(first)) > 1)
    if len(tied):
        rivals = np.sort(order[lowest & np.isin(sorted_codes, tied)])
        first = first.copy()
        for code, sample in _lowest_ids(rows, samples.keys, codes, rivals, seed=seed):
            first[code] = sample
    return np.asarray(first[codes], dtype=np.int64)


def _lowest_ids(rows: Rows, keys: Digests, codes: Numbers, rivals: Numbers, *, seed: int) -> Iterator[tuple[int, int]]:
    """The sample with the lowest id for each content that occurs several times in its lowest slice; reads the ids."""
    best: dict[int, tuple[str, int]] = {}
    known_keys = keys[rivals]
    for table in rows(["id", "key"]):
        places, known = found_in(known_keys, digests(table["key"], seed=seed))
        for row in np.flatnonzero(known):
            sample = int(rivals[places[row]])
            candidate = (table["id"][int(row)].as_py(), sample)
            code = int(codes[sample])
            best[code] = min(best.get(code, candidate), candidate)
    return ((code, sample) for code, (_, sample) in best.items())


def names_of(rows: Rows, wanted: Digests, *, seed: int) -> pa.Array:
    """The keys with these hashes, in the order of `wanted`."""
    if not len(wanted):
        return pa.array([], pa.large_string())
    known = np.unique(wanted)
    places: list[Numbers] = []
    names: list[pa.Array] = []
    for table in rows(["key"]):
        at, there = found_in(known, digests(table["key"], seed=seed))
        places.append(at[there])
        names += table["key"].filter(pa.array(there)).cast(pa.large_string()).chunks
    by_place = np.argsort(np.concatenate(places), kind="stable")
    found = pa.concat_arrays(names).take(pa.array(by_place))
    return found.take(pa.array(np.searchsorted(known, wanted)))
