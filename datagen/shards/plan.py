"""Plans the shards from hashes alone: drops duplicates, splits, shuffles, and cuts into shards."""

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
from datagen.shards.duplicates import Dropped, SampleHashes, drop_duplicates
from datagen.shards.index import SHARDS, SPLITS, Split
from datagen.shards.near_duplicates import drop_near, group_of, joined_sources, read_traits
from datagen.shards.options import OutputOptions

MB = 1_000_000
_DERIVED = re.compile("[#+]")
"""Marks that stages append to an id for derived records. All records of one source row share the part before."""
_VERSION = 1
"""Increase it when the same samples are packed differently: unfinished work of older code is then not used."""


class Shard(NamedTuple):
    """A planned shard."""

    path: str
    split: Split
    samples: int

    @property
    def stem(self) -> str:
        """The file name without folder and extension."""
        return self.path.rpartition("/")[2].removesuffix(".tar")


class Plan(NamedTuple):
    """The shard and place of every sample; 24 bytes a sample."""

    seed: int
    shards: Sequence[Shard]
    keys: Digests
    """Hashes of the keys of the samples that stay, sorted."""
    shard: NDArray[np.int32]
    """The number of its shard, by sample."""
    place: NDArray[np.int32]
    """Its place in that shard, by sample."""
    dropped: Dropped
    digest: str
    """Hash of the samples, their places and the options. Equal digests give equal shards."""

    def find(self, keys: pa.ChunkedArray) -> tuple[Numbers, Flags]:
        """The index of each key in the plan, and whether the plan has it."""
        return found_in(self.keys, digests(keys, seed=self.seed))


class _Samples(NamedTuple):
    """The narrow columns as arrays: 52 bytes a sample."""

    keys: Digests
    contents: Digests
    sources: NDArray[np.uint64]
    slices: NDArray[np.int32]
    sizes: Numbers

    def take(self, rows: Numbers | Flags) -> _Samples:
        return _Samples._make(column[rows] for column in self)


_NONE = _Samples._make(np.empty(0, kind) for kind in ("S16", "S16", np.uint64, np.int32, np.int64))


def plan_shards(rows: Rows, *, options: OutputOptions, seed: int) -> Plan:
    """Plan the shards of all samples: first train, then val, each split shuffled by `seed`.

    Reads only the narrow columns. Memory: 52 bytes a sample after that pass, about 170 at most while sorting, and the
    hashes that `options` compares. The result depends neither on the order of the rows nor on how they are cut into
    tables. Raises `StoreError` if two samples share a key.
    """
    samples, state = _read(rows, seed)
    # keys are hashed with the seed, so sorting by them is the shuffle
    samples = samples.take(np.argsort(samples.keys, kind="stable"))
    _refuse_equal_keys(rows, samples.keys, seed)
    kept, dropped, in_val = _chosen(samples, rows, options, seed)
    shards, shard, place = _cut_shards(kept.sizes, in_val, int(options.shard_mb * MB))
    inputs = f"{_VERSION}|{seed}|{state}|{options.model_dump_json(exclude={'images'})}"
    digest = hashlib.sha256(inputs.encode())
    for column in (kept.keys, shard, place):
        digest.update(np.ascontiguousarray(column).view(np.uint8).data)
    return Plan(seed, shards, kept.keys, shard, place, dropped, digest.hexdigest()[:16])


def _chosen(samples: _Samples, rows: Rows, options: OutputOptions, seed: int) -> tuple[_Samples, Dropped, Flags]:
    """The samples that stay, the dropped ones, and for each that stays whether it goes to val."""
    stays, same = drop_duplicates(SampleHashes(samples.keys, samples.contents, samples.slices), rows, seed=seed)
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
        marked_val = traits.groups[options.split_from] == group_of("val")
        in_val = marked_val & ~np.isin(sources, sources[~marked_val])
    else:
        in_val = _in_val(sources, options.val_fraction)
    return kept, Dropped(*drops, seed=seed), in_val


def cut(sizes: Numbers, limit: int) -> Iterator[tuple[int, int]]:
    """Cut into consecutive runs (start, stop) whose sizes sum to at most `limit`; a larger item is a run of its own."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + limit, side="right")))
        yield start, stop
        start = stop


def _read(rows: Rows, seed: int) -> tuple[_Samples, str]:
    """The narrow columns of all samples, and a hash of keys and checksums that does not depend on their order."""
    tables = [_NONE]
    total = np.zeros(2, np.uint64)
    for table in rows(NARROW):
        tables.append(_hashed(table, seed))
        pairs = (f"{key}|{sha}" for key, sha in zip(filled(table["key"]), filled(table["sha256"]), strict=True))
        # a sum does not depend on the order of the rows
        total += digests(pairs).view(">u8").reshape(-1, 2).sum(axis=0, dtype=np.uint64)
    columns = zip(*tables, strict=True)
    return _Samples._make(np.concatenate(column) for column in columns), total.tobytes().hex()


def _hashed(table: pa.Table, seed: int) -> _Samples:
    # the prefix keeps the draw of the split apart from the shuffle, which hashes keys with the same seed
    sources = digests((f"split|{source}" for source in _sources(table)), seed=seed)
    return _Samples(
        keys=digests(table["key"], seed=seed),
        contents=digests(filled(table["content"])),
        sources=sources.view(">u8").reshape(-1, 2)[:, 0].astype(np.uint64),
        slices=np.array([slice_number(name) for name in table["slice"].to_pylist()], np.int32),
        sizes=np.asarray(table["size"].to_numpy(), np.int64),
    )


def _sources(table: pa.Table) -> Iterator[str]:
    """The identity of each sample's source: its sha256; if no file was read, its address or source row."""
    names = ("id", "source_uri", "source_sha256")
    for id, uri, sha256 in zip(*(filled(table[name]) for name in names), strict=True):
        yield sha256 or (f"uri|{uri}" if uri else f"id|{_DERIVED.split(id, maxsplit=1)[0]}")


def slice_number(slice: str) -> int:
    """The number that a slice's name begins with."""
    return int(slice.partition("-")[0])


def _refuse_equal_keys(rows: Rows, keys: Digests, seed: int) -> None:
    twice = keys[1:][keys[1:] == keys[:-1]]
    if not len(twice):
        return
    for table in rows(["key"]):
        _, known = found_in(twice, digests(table["key"], seed=seed))
        for row in np.flatnonzero(known)[:1]:
            raise StoreError(f"two accepted samples have the key '{table['key'][int(row)]}'; the ledger is damaged")


def _in_val(sources: NDArray[np.uint64], fraction: float) -> Flags:
    """Whether each sample's source goes to val. The draw depends on the source alone, so new sources move no old one.

    If the draw leaves val empty, the source nearest to it goes there; likewise train.
    """
    chosen = sources / 2.0**64 < fraction
    if len(sources) and fraction > 0 and not chosen.any():
        chosen = sources == sources.min()
    if len(sources) and chosen.all():
        chosen = sources != sources.max()
    return np.asarray(chosen, dtype=np.bool_)


def _cut_shards(sizes: Numbers, in_val: Flags, limit: int) -> tuple[list[Shard], NDArray[np.int32], NDArray[np.int32]]:
    """The shards, and for each sample the number of its shard and its place there."""
    shards: list[Shard] = []
    shard = np.empty(len(sizes), np.int32)
    place = np.empty(len(sizes), np.int32)
    for split, rows in zip(SPLITS, (np.flatnonzero(~in_val), np.flatnonzero(in_val)), strict=True):
        for number, (start, stop) in enumerate(cut(sizes[rows], limit)):
            shard[rows[start:stop]] = len(shards)
            place[rows[start:stop]] = np.arange(stop - start)
            shards.append(Shard(f"{SHARDS}/{split}-{number:06d}.tar", split, stop - start))
    return shards, shard, place
