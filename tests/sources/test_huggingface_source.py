"""Hugging Face datasets on disk, as `datasets` itself writes them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign import HF_ROWS as ROWS
from foreign import dataset
from PIL import Image as Pillow

from datagen.core.errors import ConfigError
from datagen.fetch import SCHEMES, read_file
from datagen.sources.base import Source, SourceRow
from datagen.sources.huggingface import HuggingFaceConfig


def source(path: object, **options: Any) -> Source:
    return HuggingFaceConfig(path=str(path), **options).load()


def rows(path: object, **options: Any) -> list[SourceRow]:
    looked = source(path, **options)
    looked.check()
    return list(looked.rows())


def sizes(found: list[SourceRow]) -> list[int]:
    """The pictures' widths, which tell them apart."""
    assert not any(row.error for row in found), found
    read = [read_file(row.fields["uri"], base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6) for row in found]
    return [Pillow.open(io.BytesIO(data)).size[0] for data in read]


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    dataset().save_to_disk(str(tmp_path / "d"), num_shards=2)
    found = rows(tmp_path / "d", caption_column="text")
    assert sizes(found) == list(range(4, 4 + ROWS))
    assert found[5].fields["caption"] == "caption 5"
    assert found[5].id == "data-00001-of-00002/1"
    assert source(tmp_path / "d").count() is None


def test_splits_that_save_to_disk_wrote(tmp_path: Path) -> None:
    import datasets  # half a second, in every process that collects tests

    datasets.DatasetDict({"train": dataset(), "test": dataset(2)}).save_to_disk(str(tmp_path / "d"))
    assert len(rows(tmp_path / "d", split="test")) == 2
    assert len(rows(tmp_path / "d")) == ROWS + 2
    with pytest.raises(ConfigError, match="has no split 'trian'; did you mean 'train'"):
        source(tmp_path / "d", split="trian").check()


def test_a_repository_of_parquet_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, some in (("train-00001-of-00002", 2), ("train-00000-of-00002", ROWS), ("test-00000-of-00001", 3)):
        dataset(some).to_parquet(str(tmp_path / "data" / f"{name}.parquet"))
    found = rows(tmp_path, split="train", caption_column="all", id_column="key", license="CC0-1.0")
    assert sizes(found[:ROWS]) == list(range(4, 4 + ROWS))
    assert (found[2].id, found[2].fields["caption"], found[2].fields["license"]) == ("102", "first 2", "CC0-1.0")
    assert [row.error.partition(": row ")[2] for row in found[ROWS:]] == [
        "8: the id '100' was used above",
        "9: the id '101' was used above",
    ]
    assert len(rows(tmp_path)) == source(tmp_path).count() == ROWS + 5
    assert len(rows(f"{tmp_path}/data/test-*.parquet")) == 3
    with pytest.raises(ConfigError, match="has no split 'tests'; did you mean 'test'"):
        source(tmp_path, split="tests").check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_column": "imag"}, "there is no column 'imag' (`image_column`); did you mean 'image'?"),
        ({"caption_column": "texts"}, "there is no column 'texts' (`caption_column`); did you mean 'text'?"),
    ],
)
@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_a_column_that_is_not_there(tmp_path: Path, kind: str, options: dict[str, str], message: str) -> None:
    if kind == "arrow":
        dataset().save_to_disk(str(tmp_path / "d"))
    else:
        (tmp_path / "d").mkdir()
        dataset().to_parquet(str(tmp_path / "d" / "x.parquet"))
    for look in (source(tmp_path / "d", **options).check, lambda: list(source(tmp_path / "d", **options).rows())):
        with pytest.raises(ConfigError) as caught:
            look()
        assert message in str(caught.value)


def test_rows_with_faults_fail_alone(tmp_path: Path) -> None:
    table = pa.table({"image": [b"x", b"y", b"z"], "id": ["a", None, "c"], "text": ["t", "u", "v" * 200_000]})
    pq.write_table(table, tmp_path / "x.parquet")
    found = rows(tmp_path, id_column="id", caption_column="text")
    assert [row.id for row in found] == ["a", "x/1", "c"]
    assert found[0].error == ""
    assert found[1].error == f"{tmp_path}/x.parquet: row 1: the column 'id' is empty, but ids are taken from it"
    assert "row 2: 'caption': string should have at most 100000" in found[2].error


def test_objects_of_a_column(tmp_path: Path) -> None:
    things = [[{"label": "cup", "box": [1.0, 2.0, 3.0, 4.0]}], [{"label": "cup", "box": [1.0]}], []]
    pq.write_table(pa.table({"image": [b"x"] * 3, "things": things}), tmp_path / "x.parquet")
    found = rows(tmp_path, objects_column="things")
    assert found[0].fields["objects"][0]["label"] == "cup"
    assert "'objects.0.box': list should have at least 4 items" in found[1].error
    assert found[2].fields["objects"] == []


@pytest.mark.parametrize("name", ["../x.arrow", "/etc/passwd", "..", "", 7, "a/b.arrow"])
def test_a_state_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: object) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(ConfigError, match="which is no file beside it"):
        source(tmp_path).check()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no .parquet files, and is nothing that save_to_disk wrote"),
        ({"state.json": b"{"}, "state.json: is not valid JSON"),
        ({"state.json": b"[]"}, "state.json: holds list, not a JSON object"),
        ({"state.json": b"{}"}, "`_data_files` is no list; this is nothing that save_to_disk wrote"),
        ({"state.json": b'{"_data_files": [{"filename": "a.arrow"}]}'}, "there is no such folder or file"),
        (
            {"state.json": b'{"_data_files": [{"filename": "a.arrow"}]}', "a.arrow": b"x" * 99},
            "cannot be read as Arrow",
        ),
        ({"dataset_dict.json": b'{"splits": ["../x"]}'}, "which is no file beside it"),
        ({"a.parquet": b"PAR1"}, "cannot be read as Parquet"),
    ],
)
def test_a_folder_that_is_no_dataset_is_told_at_once(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for look in (source(tmp_path).check, lambda: list(source(tmp_path).rows())):
        with pytest.raises(ConfigError) as caught:
            look()
        assert message in str(caught.value)
