"""Which sample goes where: duplicates, split, shuffle and cut, over hashes alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datagen.core.errors import StoreError
from datagen.shards.columns import NARROW, Digests, Flags, Numbers, Rows, digests, filled, found_in
from datagen.shards.duplicates import Dropped, Twins, drop_duplicates
from datagen.shards.index import SHARDS, SPLITS, Split
from datagen.shards.near_duplicates import drop_near, group_of, joined_sources, read_traits
from datagen.shards.options import OutputOptions

MB = 1_000_000
_DERIVED = re.compile("[#+]")
"""What stages put behind the id of a row, of which all that come of it share the rest."""
_VERSION = 1
"""Raised when the same samples are to be packed otherwise: what an older pack left half done is of no use then."""


class Shard(NamedTuple):
    """A shard that is to be."""

    path: str
    split: Split
    samples: int

    @property
    def stem(self) -> str:
        """Its file's name without folder and ending."""
        return self.path.rpartition("/")[2].removesuffix(".tar")


class Plan(NamedTuple):
    """Where each sample goes; 24 bytes a sample."""

    seed: int
    shards: Sequence[Shard]
    keys: Digests
    """Of the samples that stay, sorted."""
    shard: NDArray[np.int32]
    """By sample, the number of its shard."""
    place: NDArray[np.int32]
    """By sample, its place in that shard."""
    dropped: Dropped
    digest: str
    """Of the samples, their places and the options: equal plans make equal shards."""

    def find(self, keys: pa.ChunkedArray) -> tuple[Numbers, Flags]:
        """Where in the plan each key stands, and whether it stands there at all."""
        return found_in(self.keys, digests(keys, seed=self.seed))


class _Samples(NamedTuple):
    """What is known of the samples while they are planned: 52 bytes each."""

    keys: Digests
    contents: Digests
    sources: NDArray[np.uint64]
    slices: NDArray[np.int32]
    sizes: Numbers

    def take(self, rows: Numbers | Flags) -> _Samples:
        return _Samples._make(column[rows] for column in self)


_NONE = _Samples._make(np.empty(0, kind) for kind in ("S16", "S16", np.uint64, np.int32, np.int64))


def plan_shards(rows: Rows, *, options: OutputOptions, seed: int) -> Plan:
    """Plan the shards of all samples, first train then val, each split shuffled by `seed`.

    Reads narrow columns alone, and holds 52 bytes a sample at the end of that pass, some 170 at the
    most while they are sorted; and besides the hashes that `options` has compared. Neither the order
    of the rows nor how tables cut them changes anything.
    Raises `StoreError` if two samples share a key.
    """
    samples, state = _read(rows, seed)
    samples = samples.take(np.argsort(samples.keys, kind="stable"))
    _refuse_twins(rows, samples.keys, seed)
    kept, dropped, in_val = _chosen(samples, rows, options, seed)
    shards, shard, place = _cut_shards(kept.sizes, in_val, int(options.shard_mb * MB))
    told = f"{_VERSION}|{seed}|{state}|{options.model_dump_json(exclude={'images'})}"
    digest = hashlib.sha256(told.encode())
    for column in (kept.keys, shard, place):
        digest.update(np.ascontiguousarray(column).view(np.uint8).data)
    return Plan(seed, shards, kept.keys, shard, place, dropped, digest.hexdigest()[:16])


def _chosen(samples: _Samples, rows: Rows, options: OutputOptions, seed: int) -> tuple[_Samples, Dropped, Flags]:
    """The samples that stay, the others, and which of those that stay go to val."""
    stays, same = drop_duplicates(Twins(samples.keys, samples.contents, samples.slices), rows, seed=seed)
    kept = samples.take(stays)
    if not (options.compared or options.together or options.split_from):
        return kept, Dropped(same, seed=seed), _in_val(kept.sources, options.val_fraction)
    traits = read_traits(rows, kept.keys, options=options, seed=seed)
    drops = [same]
    if options.near_duplicates:
        stays, near = drop_near(traits, kept.keys, kept.slices, rows, near=options.near_duplicates, seed=seed)
        kept, traits = kept.take(stays), traits.take(stays)
        drops.append(near)
    sources = joined_sources(kept.sources, traits, within=options.one_split, together=options.together)
    if options.split_from:
        said = traits.groups[options.split_from] == group_of("val")
        in_val = said & ~np.isin(sources, sources[~said])
    else:
        in_val = _in_val(sources, options.val_fraction)
    return kept, Dropped(*drops, seed=seed), in_val


def cut(sizes: Numbers, limit: int) -> Iterator[tuple[int, int]]:
    """Consecutive runs that sum to `limit` at most; what is larger stands alone."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + limit, side="right")))
        yield start, stop
        start = stop


def _read(rows: Rows, seed: int) -> tuple[_Samples, str]:
    """The narrow columns of all samples, and a hash of all their bytes, in whatever order they come."""
    tables = [_NONE]
    total = np.zeros(2, np.uint64)
    for table in rows(NARROW):
        tables.append(_hashed(table, seed))
        told = (f"{key}|{sha}" for key, sha in zip(filled(table["key"]), filled(table["sha256"]), strict=True))
        total += digests(told).view(">u8").reshape(-1, 2).sum(axis=0, dtype=np.uint64)
    columns = zip(*tables, strict=True)
    return _Samples._make(np.concatenate(column) for column in columns), total.tobytes().hex()


def _hashed(table: pa.Table, seed: int) -> _Samples:
    sources = digests((f"split|{source}" for source in _sources(table)), seed=seed)
    return _Samples(
        keys=digests(table["key"], seed=seed),
        contents=digests(filled(table["content"])),
        sources=sources.view(">u8").reshape(-1, 2)[:, 0].astype(np.uint64),
        slices=np.array([slice_number(name) for name in table["slice"].to_pylist()], np.int32),
        sizes=np.asarray(table["size"].to_numpy(), np.int64),
    )


def _sources(table: pa.Table) -> Iterator[str]:
    """What tells each sample's source: its checksum; where no file was read, its address, or its row of the source."""
    names = ("id", "source_uri", "source_sha256")
    for id, uri, sha256 in zip(*(filled(table[name]) for name in names), strict=True):
        yield sha256 or (f"uri|{uri}" if uri else f"id|{_DERIVED.split(id, maxsplit=1)[0]}")


def slice_number(slice: str) -> int:
    """The number that a slice's name begins with."""
    return int(slice.partition("-")[0])


def _refuse_twins(rows: Rows, keys: Digests, seed: int) -> None:
    twice = keys[1:][keys[1:] == keys[:-1]]
    if not len(twice):
        return
    for table in rows(["key"]):
        _, known = found_in(twice, digests(table["key"], seed=seed))
        for row in np.flatnonzero(known)[:1]:
            raise StoreError(f"two accepted samples have the key '{table['key'][int(row)]}'; the ledger is damaged")


def _in_val(sources: NDArray[np.uint64], fraction: float) -> Flags:
    """Whether each row's source goes to val; a source stays where it is when others come.

    Where chance leaves val empty, or train, the source at that end goes there.
    """
    chosen = sources / 2.0**64 < fraction
    if len(sources) and fraction > 0 and not chosen.any():
        chosen = sources == sources.min()
    if len(sources) and chosen.all():
        chosen = sources != sources.max()
    return np.asarray(chosen, dtype=np.bool_)


def _cut_shards(sizes: Numbers, in_val: Flags, limit: int) -> tuple[list[Shard], NDArray[np.int32], NDArray[np.int32]]:
    """The shards, and each sample's shard and place in it."""
    shards: list[Shard] = []
    shard = np.empty(len(sizes), np.int32)
    place = np.empty(len(sizes), np.int32)
    for split, rows in zip(SPLITS, (np.flatnonzero(~in_val), np.flatnonzero(in_val)), strict=True):
        for number, (start, stop) in enumerate(cut(sizes[rows], limit)):
            shard[rows[start:stop]] = len(shards)
            place[rows[start:stop]] = np.arange(stop - start)
            shards.append(Shard(f"{SHARDS}/{split}-{number:06d}.tar", split, stop - start))
    return shards, shard, place
