"""Verifies a finished dataset: every byte of the shards against dataset.json and the index."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image as Pillow
from pydantic import ValidationError

from datagen.core.errors import StoreError
from datagen.core.redact import escape_control
from datagen.shards.columns import Digests, digests, found_in
from datagen.shards.index import CARD, DATASET, INDEX, SHARDS, DatasetInfo, ShardInfo, read_dataset
from datagen.shards.info import SampleInfo
from datagen.shards.packed import PACKED, read_packed, sha256_of
from datagen.shards.table import DamagedIndexError, IndexFile, Sources, opened_index
from datagen.storage.store import Store

_REPAIR_HINT = "`verify OUT --repair` writes it anew from run/parts"
_RUN_HINT = "run the pipeline into it again, which writes it anew"
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
_PICTURES = ("png", "jpg", "webp")
_BLOCK = 1 << 20

ByteRange = tuple[int, int]
"""Offset of a member's data in its shard, and its size, in bytes."""


class Problem(NamedTuple):
    """A fault: where it is, what is wrong, and what to do."""

    file: str
    key: str
    fault: str
    remedy: str = _REPAIR_HINT

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return escape_control("; ".join(filter(None, [f"{place}: {self.fault}", self.remedy])))


class _IndexRow(NamedTuple):
    """A sample in the index."""

    places: dict[str, ByteRange]
    columns: dict[str, object]
    """The columns that repeat values of KEY.json."""
    range: ByteRange | None = None
    """Where all blocks of the sample lie; None in an index of version 1."""


class _TarSample(NamedTuple):
    """A sample in the tar."""

    key: str
    start: int
    """Where its first header begins."""
    places: dict[str, ByteRange]
    members: dict[str, bytes]
    odd: list[str]
    """Names of entries that are no plain files: links, devices, folders."""


class _HashingReader(io.RawIOBase):
    """A reader that counts and hashes the bytes that pass through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes."""
        data = self._file.read(size)
        self.digest.update(data)
        self.count += len(data)
        return data


def verify_dataset(store: Store) -> list[Problem]:
    """All faults of the dataset in `store`; [] if it is sound.

    Reads every byte of every shard once. Memory: one sample, the index rows of one shard, and 24 bytes for each sample
    of the dataset.
    """
    try:
        dataset = read_dataset(store)
    except StoreError as error:
        return [Problem(DATASET, "", str(error), _RUN_HINT)]
    problems = [*_total_problems(dataset), *_listing_problems(store, dataset), *_card_problems(store)]
    try:
        with opened_index(store) as index:
            return [*problems, *_index_problems(index, dataset), *_shards_problems(store, dataset, index)]
    except DamagedIndexError as error:
        return [*problems, Problem(INDEX, "", str(error))]


def _shards_problems(store: Store, dataset: DatasetInfo, index: IndexFile) -> Iterator[Problem]:
    sources = Sources()
    for shard in dataset.shards:
        yield from _shard_problems(store, shard, _indexed(index.of_shard(shard.path)), sources)


def _total_problems(dataset: DatasetInfo) -> Iterator[Problem]:
    totals = dataset.totals
    in_shards = sum(shard.samples for shard in dataset.shards)
    ends = totals.accepted + sum(totals.rejected.values()) + totals.failed
    if totals.accepted != in_shards:
        fault = f"{totals.accepted} records were accepted, the shards list {in_shards} samples"
        yield Problem(DATASET, "", fault, _RUN_HINT)
    if totals.records != ends:
        fault = f"{totals.records} records, but accepted, rejected and failed add up to {ends}"
        yield Problem(DATASET, "", fault, _RUN_HINT)


def _listing_problems(store: Store, dataset: DatasetInfo) -> Iterator[Problem]:
    listed = {shard.path for shard in dataset.shards}
    for name in store.names(SHARDS):
        if f"{SHARDS}/{name}" not in listed:
            fault = f"{DATASET} does not list it, but readers take it"
            yield Problem(f"{SHARDS}/{name}", "", fault, "remove it, as `verify OUT --repair` does")


def _card_problems(store: Store) -> Iterator[Problem]:
    """Compare README.md with the checksum that packing stored."""
    try:
        packed = read_packed(store)
    except StoreError as error:
        yield Problem(PACKED, "", str(error), _RUN_HINT)
        packed = None
    if not store.exists(CARD):
        yield Problem(CARD, "", "is missing")
    elif packed and sha256_of(store.read(CARD)) != packed.card:
        yield Problem(CARD, "", "its text is not what packing wrote")


def _index_problems(index: IndexFile, dataset: DatasetInfo) -> Iterator[Problem]:
    in_shards = sum(shard.samples for shard in dataset.shards)
    if index.num_rows != in_shards:
        yield Problem(INDEX, "", f"has {index.num_rows} samples, the shards list {in_shards}")
    listed = {shard.path: shard.split for shard in dataset.shards}
    keys = []
    pairs: set[tuple[str, str]] = set()
    for table in index.tables(["key", "shard", "split"]):
        keys.append(digests(table["key"]))
        pairs.update((row["shard"], row["split"]) for row in _distinct(table, ["shard", "split"]))
    for path, split in sorted(pairs, key=str):
        if listed.get(path) != split:
            yield Problem(INDEX, "", f"speaks of {path} in {split}, {DATASET} does not")
    for key, times in _repeated(index, keys).items():
        yield Problem(INDEX, key, f"the key is there {times} times")


def _distinct(table: pa.Table, names: list[str]) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = table.select(names).group_by(names).aggregate([]).to_pylist()
    return rows


def _repeated(index: IndexFile, keys: list[Digests]) -> dict[str, int]:
    """Keys that occur several times, and how often. Only if there are any, a second pass reads their names."""
    found, counts = np.unique(np.concatenate(keys) if keys else digests([]), return_counts=True)
    twice = found[counts > 1]
    names: Counter[str] = Counter()
    for table in index.tables(["key"]) if len(twice) else ():
        _, known = found_in(twice, digests(table["key"]))
        names.update(table["key"].filter(pa.array(known)).to_pylist())
    return dict(names)


def _shard_problems(
    store: Store, shard: ShardInfo, index: Mapping[str, _IndexRow], sources: Sources
) -> Iterator[Problem]:
    if not store.exists(shard.path):
        yield Problem(shard.path, "", "is missing")
        return
    seen: set[str] = set()
    with store.reading(shard.path) as opened:
        file = _HashingReader(opened)
        try:
            for sample in _samples(file):
                seen.add(sample.key)
                yield from _sample_problems(shard, sample, index.get(sample.key, _IndexRow({}, {})), sources)
        except _NO_TAR as error:
            yield Problem(shard.path, "", f"is no whole tar: {error}")
        while file.read(_BLOCK):  # the checksum covers the whole file, also what follows the end of the tar
            pass
    sources.close(shard)
    yield from _file_problems(shard, file, found=len(seen))
    for key in sorted(set(index) - seen):
        yield Problem(shard.path, key, "the index has it, the shard has not")


_NO_TAR = (tarfile.TarError, EOFError, ValueError, LookupError, ArithmeticError)
"""Exceptions that tarfile raises on damaged or malicious headers."""


def _file_problems(shard: ShardInfo, file: _HashingReader, *, found: int) -> Iterator[Problem]:
    if file.count != shard.bytes:
        yield Problem(shard.path, "", f"has {file.count} bytes, {shard.bytes} are listed")
    elif file.digest.hexdigest() != shard.sha256:
        yield Problem(shard.path, "", f"its sha256 is {file.digest.hexdigest()}, {shard.sha256} is listed")
    if found != shard.samples:
        yield Problem(shard.path, "", f"has {found} samples, {shard.samples} are listed")


def _samples(file: _HashingReader) -> Iterator[_TarSample]:
    """The samples of a tar: consecutive entries with one key."""
    sample: _TarSample | None = None
    # a stream without seeking, so that the same pass hashes the file
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for entry in tar:
            key, _, name = entry.name.partition(".")
            if sample is None or sample.key != key:
                if sample is not None:
                    yield sample
                sample = _TarSample(key, entry.offset, {}, {}, [])
            if not entry.isreg():
                sample.odd.append(name)
                continue
            content = tar.extractfile(entry)
            sample.places[name] = (entry.offset_data, entry.size)
            sample.members[name] = content.read() if content else b""
    if sample is not None:
        yield sample


def _sample_problems(shard: ShardInfo, sample: _TarSample, indexed: _IndexRow, sources: Sources) -> Iterator[Problem]:
    places = indexed.places
    if not _KEY.fullmatch(sample.key):
        yield Problem(shard.path, sample.key, "is no key: at most 80 of a-z, 0-9, '-' and '_'")
    for name in sample.odd:
        yield Problem(shard.path, sample.key, f"{name or 'an entry'} is a link, device or folder, not a file")
    for name in sorted(sample.places.keys() | places.keys()):
        if sample.places.get(name) != places.get(name):
            yield Problem(
                shard.path, sample.key, f"{name} lies at {sample.places.get(name)}, in the index at {places.get(name)}"
            )
    if indexed.range and indexed.range != (found := _range(sample)):
        yield Problem(shard.path, sample.key, f"its blocks lie at {found}, in the index at {indexed.range}")
    for name, data in sample.members.items():
        if name.rsplit(".", 1)[-1] in _PICTURES and (fault := _picture_fault(data)):
            yield Problem(shard.path, sample.key, f"{name} is no picture: {fault}")
    yield from _info_problems(shard, sample, indexed, sources)


def _range(sample: _TarSample) -> ByteRange:
    """Where all blocks of a sample lie: its headers, its members and what fills their last blocks."""
    end = max((offset + size for offset, size in sample.places.values()), default=sample.start)
    return sample.start, end + -end % tarfile.BLOCKSIZE - sample.start


def _info_problems(shard: ShardInfo, sample: _TarSample, indexed: _IndexRow, sources: Sources) -> Iterator[Problem]:
    try:
        info = SampleInfo.model_validate_json(sample.members.get("json", b""))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        yield Problem(shard.path, sample.key, f"its json breaks the schema: {place} {first['msg']}".strip())
        return
    if info.key != sample.key:
        yield Problem(shard.path, sample.key, f"its json is that of '{info.key}'")
    expected = _index_columns(info)
    for name, value in indexed.columns.items():
        if value != expected[name]:
            yield Problem(INDEX, sample.key, f"{name} is {value!r:.80}, its json says {expected[name]!r:.80}")
    for name in sorted(set(info.members()) - sample.members.keys()):
        yield Problem(shard.path, sample.key, f"its json speaks of {name}, which it has not")
    if info.source.sha256 and (other := sources.elsewhere(info.source.sha256, shard)):
        fault = f"its source picture is also in {other}, the other split"
        yield Problem(shard.path, sample.key, fault, _RUN_HINT)


def _picture_fault(data: bytes) -> str:
    try:
        with Pillow.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as opened:
            opened.load()
    except Exception as error:  # Pillow raises many kinds on damaged files
        return str(error) or type(error).__name__
    return ""


def _indexed(rows: pa.Table) -> dict[str, _IndexRow]:
    """The rows of the index by key."""
    return {
        row["key"]: _IndexRow(
            {member["name"]: (member["offset"], member["size"]) for member in row["members"] or ()},
            {
                **{name: row[name] for name in _REPEATED if name in row},
                "scores": {score["name"]: score["value"] for score in row["scores"] or ()},
            },
            (row["offset"], row["size"]) if "offset" in row else None,
        )
        for row in rows.drop_columns(["split", "shard"]).to_pylist()
    }


_REPEATED = ("task", "instruction", "license", "width", "height")


def _index_columns(info: SampleInfo) -> dict[str, object]:
    """The index columns that follow from KEY.json."""
    width, height = (*info.size, 0, 0)[:2]
    return {
        "width": width,
        "height": height,
        "task": info.task,
        "instruction": info.instruction,
        "license": info.license,
        "scores": {score.name: score.value for score in info.scores},
    }
