"""What goes into a dataset comes out of it, by every reader, and the same bytes every time."""

from __future__ import annotations

import gc
import io
import tarfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import composed, packed, record
from rings import example_count

from datagen.core.record import Record
from datagen.shards.index import read_dataset
from datagen.shards.reader import open_dataset
from datagen.shards.verify import verify_dataset
from datagen.shards.writer import write_part
from datagen.storage.store import Store


@contextmanager
def memory() -> Iterator[Store]:
    store = Store(f"memory://{uuid.uuid4().hex}")
    yield store
    store.remove("")


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Up to six records with distinct ids; each with its own number of references, masks and sounds."""
    ids = draw(st.lists(st.text(min_size=1, max_size=30).filter(_is_text), unique=True, max_size=6))
    return [
        record(
            id,
            refs=draw(st.integers(0, 2)),
            masks=draw(st.integers(0, 2)),
            seed=100 * number,
            sounds=draw(st.lists(st.binary(max_size=1500), max_size=2)),
            source=draw(st.sampled_from("xyz")),
        )
        for number, id in enumerate(ids)
    ]


def _is_text(id: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in id)


@settings(max_examples=example_count(40), deadline=None)
@given(records())
def test_what_goes_in_comes_out(items: list[Record]) -> None:
    with memory() as store:
        packed(store, items)
        assert verify_dataset(store) == []
        dataset = open_dataset(store.address)
        assert len(dataset) == len(items)
        for item in items:
            expected = composed(item)
            found = dataset.by_key(expected.key)
            assert {name: found.read(name) for name in found.members} == expected.members
            assert np.array_equal(found.source, item["source"].array)
            assert np.array_equal(found.target, item["target"].array)
            assert all(map(np.array_equal, found.refs, [ref.array for ref in item["refs"]]))
            assert all(map(np.array_equal, found.masks, item["masks"]))
            assert found.instruction == item["instruction"]


@settings(max_examples=example_count(10), deadline=None)
@given(records(), st.randoms(use_true_random=False))
def test_the_same_samples_are_the_same_bytes_in_any_order(items: list[Record], random: Any) -> None:
    with memory() as store, memory() as other:
        packed(store, items)
        random.shuffle(items)
        packed(other, items)
        first, second = read_dataset(store), read_dataset(other)
        assert first == second
        for name in ("dataset.json", "index.parquet", "README.md", *(shard.path for shard in first.shards)):
            assert store.read(name) == other.read(name), name


def test_a_part_is_a_plain_ustar_tar_with_samples_where_it_says() -> None:
    samples = [composed(record("b", refs=2)), composed(record("a"))]
    buffer = io.BytesIO()
    placed = write_part(buffer, samples)
    data = buffer.getvalue()
    assert len(data) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        entries = tar.getmembers()
    assert [entry.name for entry in entries] == [
        f"{sample.key}.{name}" for sample in samples for name in sorted(sample.members)
    ]
    assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode) for entry in entries} == {
        (0, 0, 0, "", "", 0o644)
    }
    assert placed[1].offset == placed[0].size
    for sample, place in zip(samples, placed, strict=True):
        for name, (offset, size) in place.members.items():
            assert data[offset : offset + size] == sample.members[name]


def test_a_part_is_what_tarfile_writes() -> None:
    sample = composed(record("a" * 80))
    ours, theirs = io.BytesIO(), io.BytesIO()
    write_part(ours, [sample])
    with tarfile.open(fileobj=theirs, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in sorted(sample.members.items()):
            entry = tarfile.TarInfo(f"{sample.key}.{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    assert ours.getvalue() == theirs.getvalue()


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves closing to the collector
def test_webdataset_reads_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import webdataset

    items = [record(f"picture.{number}", refs=number % 3, masks=number % 2, seed=number) for number in range(8)]
    dataset = packed(Store(str(tmp_path)), items).dataset
    urls = [str(tmp_path / shard.path) for shard in dataset.shards]
    raw = {sample["__key__"]: sample for sample in webdataset.WebDataset(urls, shardshuffle=False)}
    seen = {sample["__key__"]: sample for sample in webdataset.WebDataset(urls, shardshuffle=False).decode("pil")}
    gc.collect()
    assert len(raw) == len(seen) == len(items)
    for item in items:
        sample = composed(item)
        assert {name: raw[sample.key][name] for name in sample.members} == sample.members
        assert np.array_equal(np.array(seen[sample.key]["source.png"]), item["source"].array)
        assert seen[sample.key]["json"] == sample.info.model_dump(by_alias=True)
        assert seen[sample.key]["txt"] == item["text"]
