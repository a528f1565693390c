"""Numbers and depths that no field can hold, in each kind of table and tar: the row fails alone, and the rest goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import PAINT, ledger_rows, run_local, toy_graph
from foreign import sa1b_annotation, write_files, write_tar
from picture_files import noise, saved

from datagen.sources.prompts import PromptsConfig

NUMBERS = {
    "64 bits": str(2**64),
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5000,
    "infinite": "1e999",
    "Infinity": "Infinity",
    "NaN": "NaN",
    "bool": "true",
    "deep": "[" * 200_000 + "]" * 200_000,
    "cut deep": '{"a":' * 200_000,
}
"""JSON text in the place of a number."""
PNG = saved(noise(8, 8), "PNG")
SOUND = ("a", "z")


def _ends(tmp_path: Path, source: dict[str, Any], stages: Iterable[Any] = (), **keys: Any) -> dict[str, dict[str, Any]]:
    """The ledger's rows of a run on threads, in which what is sound is accepted and the rest has an error of a line."""
    run_local(toy_graph(tmp_path, [*stages, PAINT], source=source, **keys), tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    for row in rows.values():
        assert row["status"] in ("accepted", "rejected", "failed"), row
        assert "Traceback" not in row["detail"]
        assert len(row["detail"]) < 2000
        assert bool(row["detail"]) == (row["status"] != "accepted")
    return rows


def _assert_neighbours(rows: dict[str, dict[str, Any]], sound: Iterable[str] = SOUND, *, number: int = 3) -> str:
    """The error of the one row that is not sound; '' if it was read all the same."""
    assert len(rows) == number
    assert {rows[id]["status"] for id in sound} == {"accepted"}
    return next((str(row["detail"]) for id, row in rows.items() if id not in sound), "")


@pytest.mark.parametrize("text", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("key", ["width", "box"])
def test_a_number_in_a_csv_is_read_or_fails_its_row_alone(tmp_path: Path, key: str, text: str) -> None:
    with (tmp_path / "m.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "uri", "width", "objects"])
        for id in ("a", "m", "z"):
            odd = text if id == "m" else "1"
            objects = f'[{{"label":"cup","box":[{odd if key == "box" else 1},0,1,1]}}]'
            table.writerow([id, "x.png", odd if key == "width" else "1", objects])
    found = _assert_neighbours(_ends(tmp_path, {"kind": "manifest", "path": str(tmp_path / "m.csv")}))
    if key == "width" and not text.isdigit():
        assert "m.csv: line 3: 'width' is" in found
        assert "it has to be a whole number" in found
    elif text.startswith(("[[", "{")):
        assert found.endswith("m.csv: line 3: 'objects' is not valid JSON: nested too deep")


PARQUET: dict[str, tuple[pa.DataType, list[Any]]] = {
    "64 bits": (pa.uint64(), [1, 2**64 - 1, 1]),
    "400 digits": (pa.string(), ["1", "9" * 400, "1"]),
    "infinite": (pa.float64(), [None, float("inf"), None]),
    "NaN": (pa.float64(), [None, float("nan"), None]),
    "bool": (pa.bool_(), [None, True, None]),
    "decimal": (pa.decimal128(38), [None, Decimal("9" * 38), None]),
    "bytes": (pa.binary(), [None, b"\xff", None]),
}


@pytest.mark.parametrize("case", PARQUET)
def test_a_number_in_parquet_is_read_or_fails_its_row_alone(tmp_path: Path, case: str) -> None:
    kind, values = PARQUET[case]
    columns = {"id": pa.array(["a", "m", "z"]), "uri": pa.array(["x"] * 3), "width": pa.array(values, kind)}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    found = _assert_neighbours(_ends(tmp_path, {"kind": "manifest", "path": str(tmp_path / "m.parquet")}))
    assert found.partition(": row 1: ")[2].startswith("'width'") or (case in ("64 bits", "400 digits") and not found)


UNREADABLE: dict[str, pa.Array] = {
    "time out of range": pa.array([0, 2**62, 0], pa.timestamp("ms")),
    "day out of range": pa.array([0, 2**30, 0], pa.date32()),
    "no text": pa.array([b"a", b"\xff\xfe", b"c"]).view(pa.string()),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_cell_of_parquet_that_python_cannot_hold_fails_its_row_alone(tmp_path: Path, case: str) -> None:
    columns = {"id": pa.array(["a", "m", "z"]), "caption": pa.array(["a cup"] * 3), "made": UNREADABLE[case]}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    rows = list(PromptsConfig(path=str(tmp_path / "p.parquet")).load().rows())
    assert [row.id for row in rows if not row.error] == ["a", "z"]
    assert "p.parquet: row 1: cannot be read: " in rows[1].error


@pytest.mark.parametrize("text", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("key", ["caption", "box", "counts"])
def test_a_number_in_a_webdataset_is_read_or_fails_its_sample_alone(tmp_path: Path, key: str, text: str) -> None:
    values = {"caption": '"cup"', "box": "1", "counts": "4", key: text}
    mask = f'{{"size":[2,2],"counts":[{values["counts"]}]}}'
    thing = f'{{"label":"cup","box":[{values["box"]},0,1,1],"mask":{mask}}}'
    about = f'{{"caption":{values["caption"]},"objects":[{thing}]}}'.encode()
    files = {"a.png": PNG, "m.png": PNG, "m.json": about, "z.png": PNG}
    write_tar(tmp_path / "t.tar", files)
    rows = _ends(tmp_path, {"kind": "webdataset", "path": str(tmp_path / "t.tar")})
    found = _assert_neighbours(rows, ("t/a", "t/z"))
    if text.startswith(("[[", "{")):
        assert "t.tar: sample 'm': not valid JSON: nested too deep" in found


@pytest.mark.parametrize("text", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("key", ["predicted_iou", "stability_score", "size", "counts", "area"])
def test_a_number_in_sa1b_is_read_or_fails_its_picture_alone(tmp_path: Path, key: str, text: str) -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[2:6, 2:6] = True
    plain = json.dumps({"annotations": [sa1b_annotation(mask, 1)]})
    about = json.loads(plain)
    (thing,) = about["annotations"]
    if key == "size":
        thing["segmentation"]["size"] = ["@", 8]
    elif key == "counts":
        thing["segmentation"]["counts"] = ["@"]
    else:
        thing[key] = "@"
    odd = json.dumps(about).replace('"@"', text)
    write_files(tmp_path / "s", {f"{id}.jpg": saved(noise(8, 8), "JPEG") for id in "amz"})
    write_files(tmp_path / "s", {f"{id}.json": odd if id == "m" else plain for id in "amz"})
    source = {"kind": "sa1b", "path": str(tmp_path / "s")}
    rows = _ends(tmp_path, source, [{"use": "read_annotations"}])
    found = _assert_neighbours(rows)
    # a score that is no number makes a mask unsure, as a low one does
    assert not found or "m.json: " in found or (text == "NaN" and "1 are too small, too large or unsure" in found)
