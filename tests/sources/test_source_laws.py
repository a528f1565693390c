"""Laws of every source: the same rows twice, whatever the order of a listing; foreign bytes fail rows, never the driver."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign import INSTANCES, JPG, MASKS, PNG, SAMPLES, dataset, sa1b_file, write_files, write_tar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.errors import DatagenError
from datagen.execute.slices import cut
from datagen.sources.base import Source
from datagen.sources.config import (
    CocoConfig,
    HuggingFaceConfig,
    ImagesConfig,
    ManifestConfig,
    Sa1bConfig,
    WebDatasetConfig,
)  # fmt: skip

ROWS = [{"id": f"r{n}", "uri": f"{n}.png", "caption": "c"} for n in range(9)]


def _images(folder: Path) -> Source:
    files = {f"{a}/{b}.png": PNG for a in "zya" for b in range(3)}
    write_files(folder, {**files, "a/0.txt": "x", "y/1.json": '{"license": "y"}'})
    return ImagesConfig(path=str(folder)).load()


def _table(folder: Path) -> Source:
    write_files(folder / "in", {f"{n}.png": PNG for n in range(5)})
    pq.write_table(
        pa.table({"file_name": [f"{n}.png" for n in range(1, 6)], "caption": list("abcde")}), folder / "t.parquet"
    )
    return ImagesConfig(path=f"{folder}/in", table=f"{folder}/t.parquet").load()


def _jsonl(folder: Path) -> Source:
    write_files(folder, {"m.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS)})
    return ManifestConfig(path=f"{folder}/m.jsonl").load()


def _csv(folder: Path) -> Source:
    write_files(folder, {"m.csv": "id,uri,caption\n" + "".join(f"r{n},{n}.png,c\n" for n in range(9))})
    return ManifestConfig(path=f"{folder}/m.csv").load()


def _parquet(folder: Path) -> Source:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "m.parquet", row_group_size=4)
    return ManifestConfig(path=f"{folder}/m.parquet").load()


def _sa1b(folder: Path) -> Source:
    masks = sa1b_file(1, MASKS, width=24, height=16)
    write_files(folder, {f"sa_{n}.{kind}": data for n in range(4) for kind, data in (("jpg", JPG), ("json", masks))})
    write_tar(folder / "a.tar", {"sa_9.json": masks, "sa_8.jpg": JPG, "sa_9.jpg": JPG, "sa_8.json": masks})
    return Sa1bConfig(path=str(folder)).load()


def _webdataset(folder: Path) -> Source:
    for name in "bca":
        write_tar(folder / f"{name}.tar", SAMPLES)
    return WebDatasetConfig(path=str(folder)).load()


def _huggingface(folder: Path) -> Source:
    for name in ("b", "a"):
        dataset().to_parquet(f"{folder}/{name}.parquet")
    return HuggingFaceConfig(path=str(folder), caption_column="text").load()


def _arrow(folder: Path) -> Source:
    dataset().save_to_disk(f"{folder}/d", num_shards=2)
    return HuggingFaceConfig(path=f"{folder}/d", caption_column="text").load()


def _coco(folder: Path) -> Source:
    write_files(folder, {"i.json": json.dumps(INSTANCES), "val/a.jpg": JPG})
    return CocoConfig(path=f"{folder}/i.json", images=f"{folder}/val").load()


MAKERS: dict[str, Callable[[Path], Source]] = {
    "images": _images, "table": _table, "jsonl": _jsonl, "csv": _csv, "parquet": _parquet, "sa1b": _sa1b,
    "webdataset": _webdataset, "huggingface": _huggingface, "arrow": _arrow, "coco": _coco,
}  # fmt: skip


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def names(source: Source) -> list[str]:
    return [part.name for part in cut(source, size=2)]


class Shuffled:
    """What `os.scandir` gives, in another order each time."""

    def __init__(self, path: str) -> None:
        with SCAN(path) as entries:
            self.entries = list(entries)
        random.shuffle(self.entries)

    def __enter__(self) -> Iterator[Any]:
        return iter(self.entries)

    def __exit__(self, *_: object) -> None: ...


SCAN = os.scandir


def test_the_same_slices_are_cut_whatever_the_order_of_a_listing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = MAKERS[kind](tmp_path)
    first = names(source)
    assert len(first) > 1
    monkeypatch.setattr(os, "scandir", Shuffled)
    assert names(source) == names(MAKERS[kind](tmp_path)) == first


def test_rows_have_what_the_source_promises_and_are_plain_data(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path)
    for row in source.rows():
        assert set(row.fields) == (set() if row.error else set(source.writes))
        assert json.loads(json.dumps(row.fields)) == row.fields
        assert row.id.encode()


def test_a_count_is_that_of_the_rows(kind: str, tmp_path: Path) -> None:
    source = MAKERS[kind](tmp_path)
    counted = source.count()
    assert counted in (None, sum(1 for row in source.rows() if not row.id.startswith("%")))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_fail_rows_or_are_told(
    kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    source = MAKERS[kind](folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".png", ".jpg"))
    path = data.draw(st.sampled_from(files))
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    junk = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 8, b"\0" * 8, b"{[", b'"', b"-1", b"9" * 40]))
    whole[at : at + data.draw(st.integers(0, 8))] = junk
    path.write_bytes(bytes(whole[: data.draw(st.sampled_from([len(whole), at]))]))
    for look in (source.check, lambda: list(source.rows())):
        try:
            for row in look() or ():
                assert not row.error or str(folder) in row.error
        except DatagenError as error:
            assert str(folder) in str(error)  # noqa: PT017
