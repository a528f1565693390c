"""Manifests as tables: CSV and Parquet give what JSON lines give; a wrong row fails alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.core.errors import ConfigError
from datagen.sources.base import Source, SourceRow
from datagen.sources.manifest import ManifestConfig

THING = {"label": "cup", "box": [1.0, 2.0, 3.0, 4.0], "mask": {"size": [2, 2], "counts": [1, 3]}, "attributes": ["red"]}
ROWS: list[dict[str, Any]] = [
    {"id": "a", "uri": "a.png", "caption": 'He said "x, y"', "width": 3, "height": 4, "bytes": 5, "objects": [THING]},
    {"id": "b", "uri": "s3://b/b.png", "license": "CC0-1.0", "sha256": "0" * 64, "session": "s", "credit": "Zoë"},
]


def source(path: Path) -> Source:
    return ManifestConfig(path=str(path)).load()


def rows(path: Path) -> list[SourceRow]:
    looked = source(path)
    looked.check()
    return list(looked.rows())


def csv_of(folder: Path, text: str | bytes, *, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_all_three_forms_of_a_manifest_give_the_same_rows(tmp_path: Path) -> None:
    import csv

    keys = list(dict.fromkeys(key for row in ROWS for key in row))
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    pq.write_table(pa.Table.from_pylist([{key: row.get(key) for key in keys} for row in ROWS]), tmp_path / "m.parquet")
    for name, delimiter in (("m.csv", ","), ("m.tsv", "\t")):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(keys)
            writer.writerows(
                [json.dumps(row[key]) if key == "objects" and key in row else row.get(key, "") for key in keys]
                for row in ROWS
            )
    whole = rows(tmp_path / "m.jsonl")
    assert not any(row.error for row in whole)
    for name in ("m.csv", "m.tsv", "m.parquet"):
        assert rows(tmp_path / name) == whole, name
        assert source(tmp_path / name).count() == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b", "line 3: has 1 cells, the first line has 4"),
        ("b,x,y,z,7", "line 3: has 5 cells, the first line has 4"),
        (",x,,", "line 3: 'id': field required"),
        ("b,,,", "line 3: 'uri': field required"),
        ("b,x,7.5,", "line 3: 'width' is '7.5'; it has to be a whole number"),
        ("b,x,,{", "line 3: 'objects' is not valid JSON: Expecting property name"),
        ('b,x,,"{""a"": 1}"', "line 3: 'objects': input should be a valid list"),
        ('b,x,,"[{""label"": ""c""}]"', "line 3: 'objects.0.box': field required"),
        (b"b,\xff,,", "line 3: 'uri': input should be a valid string, unable to parse"),
        (b"b,x,," + b"[" * 50_000, "line 3: "),
        ("a,x,,", "row 2: the id 'a' was used above"),
    ],
)
def test_a_wrong_line_of_a_csv_fails_alone(tmp_path: Path, line: str | bytes, message: str) -> None:
    data = line.encode() if isinstance(line, str) else line
    path = csv_of(tmp_path, b"id,uri,width,objects\na,a.png,1,\n" + data + b"\n\nz,z.png,,\n")
    first, wrong, last = rows(path)
    assert (first.error, last.error) == ("", "")
    assert wrong.error.startswith(f"{path}: {message}")
    wrong.error.encode()


def test_marks_and_quotes_of_spreadsheets(tmp_path: Path) -> None:
    path = csv_of(tmp_path, b'\xef\xbb\xbfid,uri,caption\r\na,a.png,"two\r\nlines"\r\n')
    [row] = rows(path)
    assert row.fields["caption"] == "two\r\nlines"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,url\na,b\n", "the column 'url' means nothing; did you mean 'uri'?"),
        ("id,caption\na,b\n", "the column 'uri' is missing; it has: id, caption"),
        ("id,id\na,b\n", "the column 'id' is there twice in the first line"),
        ("id,uri\n", "holds no rows"),
        ("", "holds no rows"),
    ],
)
def test_a_wrong_csv_is_told_at_once(tmp_path: Path, text: str, message: str) -> None:
    path = csv_of(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        source(path).check()
    assert str(caught.value) == f"{path}: {message}"


def test_a_wrong_parquet_is_told_at_once(tmp_path: Path) -> None:
    path = csv_of(tmp_path, b"PAR1 not", name="m.parquet")
    for look in (source(path).check, lambda: list(source(path).rows())):
        with pytest.raises(ConfigError, match="cannot be read as Parquet"):
            look()
    assert source(path).count() is None
    with pytest.raises(ConfigError, match="there is no such file; a relative path counts from here"):
        source(tmp_path / "nowhere.parquet").check()
    pq.write_table(pa.table({"id": ["a"], "ury": ["x"]}), path)
    with pytest.raises(ConfigError, match="the column 'ury' means nothing; did you mean 'uri'"):
        source(path).check()


def test_rows_of_parquet_with_other_types_fail_alone(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b"], "uri": ["x", None]}), tmp_path / "m.parquet")
    good, wrong = rows(tmp_path / "m.parquet")
    assert good.error == ""
    assert wrong.error == f"{tmp_path}/m.parquet: row 1: 'uri': field required"
