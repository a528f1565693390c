"""Numbers and depths that no field can hold, in each kind of table and tar: the row fails alone, and the rest goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import PAINT, ledger_rows, run_local, toy_graph
from foreign import sa1b_annotation, write_files, write_tar
from foreign_generation import blip3, subjects200k
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import noise, saved
from rings import example_count

from datagen.core.errors import DataError
from datagen.fetch import SCHEMES, read_file
from datagen.fetch.cells import read_rows
from datagen.sources.base import Source
from datagen.sources.formats.generation.blip3_grounding import Blip3GroundingConfig
from datagen.sources.formats.generation.subjects200k import Subjects200kConfig
from datagen.sources.formats.pairs.hq_edit import HqEditConfig
from datagen.sources.huggingface import HuggingFaceConfig
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


def _no_text(*values: bytes) -> pa.Array:
    """Bytes that are called text, whether they are or not."""
    return pa.array(values).view(pa.string())


UNREADABLE: dict[str, pa.Array] = {
    "time out of range": pa.array([0, 2**62, 0], pa.timestamp("ms")),
    "day out of range": pa.array([0, 2**30, 0], pa.date32()),
    "no text": pa.array([b"a", b"\xff\xfe", b"c"]).view(pa.string()),
    "no text in a list": pa.ListArray.from_arrays([0, 1, 3, 4], _no_text(b"a", b"b", b"\xff", b"d")),
    "no text in a struct": pa.StructArray.from_arrays([pa.array([1, 2, 3]), _no_text(b"a", b"\xff", b"c")], ["n", "t"]),
    "no text in a map": pa.MapArray.from_arrays([0, 1, 2, 3], pa.array(["k"] * 3), _no_text(b"a", b"\xff", b"c")),
    "no time in a list": pa.ListArray.from_arrays([0, 1, 2, 3], pa.array([0, 2**62, 0], pa.time64("us"))),
    "a span out of range": pa.array([0, 2**62, 0], pa.duration("s")),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_cell_of_parquet_that_python_cannot_hold_fails_its_row_alone(tmp_path: Path, case: str) -> None:
    columns = {"id": pa.array(["a", "m", "z"]), "caption": pa.array(["a cup"] * 3), "made": UNREADABLE[case]}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    rows = list(PromptsConfig(path=str(tmp_path / "p.parquet")).load().rows())
    assert [row.id for row in rows if not row.error] == ["a", "z"]
    assert "p.parquet: row 1: cannot be read: column 'made': " in rows[1].error


def _as_parquet(folder: Path, table: pa.Table) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / "t.parquet")
    return folder


def _as_saved_to_disk(folder: Path, table: pa.Table) -> Path:
    folder.mkdir(exist_ok=True)
    with pa.ipc.new_stream(str(folder / "t.arrow"), table.schema) as writer:
        writer.write_table(table)
    (folder / "state.json").write_text('{"_data_files": [{"filename": "t.arrow"}]}')
    return folder


HUB: dict[str, Callable[[Path, pa.Table], Path]] = {"parquet": _as_parquet, "save_to_disk": _as_saved_to_disk}
HUB_COLUMNS: dict[str, tuple[str, pa.Array]] = {
    "time out of range": ("caption", pa.array([None, 2**62, None], pa.timestamp("ms"))),
    "day out of range": ("session", pa.array([None, 2**30, None], pa.date32())),
    "a span out of range": ("credit", pa.array([None, 2**62, None], pa.duration("s"))),
    "no text": ("license", _no_text(b"a", b"\xff\xfe", b"c")),
    "no text in a list": ("caption", pa.ListArray.from_arrays([0, 1, 2, 3], _no_text(b"a", b"\xff", b"c"))),
    "no text in a list of structs": (
        "objects",
        pa.ListArray.from_arrays(
            [0, 1, 2, 3],
            pa.StructArray.from_arrays(
                [_no_text(b"cup", b"\xff", b"pot"), pa.array([[0.0, 0.0, 2.0, 2.0]] * 3)], ["label", "box"]
            ),
        ),
    ),
}


@pytest.mark.parametrize("kind", HUB)
@pytest.mark.parametrize("case", HUB_COLUMNS)
def test_a_cell_of_a_hub_dataset_that_python_cannot_hold_fails_its_row_alone(
    tmp_path: Path, case: str, kind: str
) -> None:
    field, column = HUB_COLUMNS[case]
    table = pa.table({"image": [PNG] * 3, "id": ["a", "m", "z"], "odd": column})
    path = HUB[kind](tmp_path / "d", table)
    options = {"kind": "huggingface", "path": str(path), "id_column": "id", f"{field}_column": "odd"}
    rows = _ends(tmp_path, options)
    assert set(rows) == {"a", "t/1", "z"}
    assert ": row 1: cannot be read: column 'odd': " in _assert_neighbours(rows)


def test_what_shares_an_unreadable_dictionary_fails_by_name(tmp_path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), _no_text(b"a", b"\xff"))
    path = _as_saved_to_disk(tmp_path / "d", pa.table({"image": [PNG] * 3, "odd": words}))
    rows = _ends(tmp_path, {"kind": "huggingface", "path": str(path), "caption_column": "odd"})
    assert [
        f": row {number}: cannot be read: column 'odd'" in rows[f"t/{number}"]["detail"] for number in range(3)
    ] == ([True] * 3)


@pytest.mark.parametrize("kind", HUB)
def test_a_picture_beside_a_name_that_is_no_text_fails_alone(tmp_path: Path, kind: str) -> None:
    pictures = pa.StructArray.from_arrays([pa.array([PNG] * 3), _no_text(b"a", b"\xff", b"c")], ["bytes", "path"])
    path = HUB[kind](tmp_path / "d", pa.table({"image": pictures, "id": ["a", "m", "z"]}))
    for row in HuggingFaceConfig(path=str(path)).load().rows():
        address = {"base": row.fields["base"], "schemes": SCHEMES, "max_bytes": 10**6}
        if row.id == "t/1":
            with pytest.raises(DataError, match="Invalid UTF8 sequence"):
                read_file(row.fields["uri"], **address)
        else:
            assert read_file(row.fields["uri"], **address) == PNG


def _pairs_of_hub(folder: Path) -> Source:
    columns = {"input_image": [PNG] * 3, "output_image": [PNG] * 3, "input": ["a"] * 3, "output": ["b"] * 3}
    table = {**columns, "edit": _no_text(b"a", b"\xff", b"c"), "inverse_edit": ["b"] * 3}
    return HqEditConfig(path=str(_as_parquet(folder, pa.table(table))), direction="both").load()


def _rewritten(folder: Path, column: str, values: pa.Array) -> None:
    """Another column in the place of that of the only Parquet file in a folder."""
    (path,) = folder.glob("data/*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(column), column, values), path)


def _panels_of_hub(folder: Path) -> Source:
    _rewritten(subjects200k(folder), "collection", _no_text(b"collection_2", b"\xff", b"collection_2"))
    return Subjects200kConfig(path=str(folder), collection="collection_2").load()


def _grounding_of_hub(folder: Path) -> Source:
    _rewritten(blip3(folder), "url", _no_text(b"https://a.example.org/1.jpg", b"\xff", b"https://a.example.org/2.jpg"))
    return Blip3GroundingConfig(path=str(folder)).load()


@pytest.mark.parametrize("source", [_pairs_of_hub, _panels_of_hub, _grounding_of_hub])
def test_an_unreadable_cell_of_a_published_dataset_fails_its_row_alone(
    tmp_path: Path, source: Callable[[Path], Source]
) -> None:
    found = list(source(tmp_path).rows())
    each = 2 if source is _pairs_of_hub else 1
    assert len(found) == len({row.id for row in found}) == 3 * each
    assert [bool(row.error) for row in found] == [False] * each + [True] * each + [False] * each
    for row in found[each : 2 * each]:
        assert ".parquet: row 1: cannot be read: column " in row.error


def _wrapped(kind: str, texts: list[bytes | None]) -> pa.Array:
    """A column of lists, structs or plain values of what is called text."""
    column = pa.array(texts, pa.binary()).view(pa.string())
    if kind == "struct":
        return pa.StructArray.from_arrays([column], ["t"])
    return pa.ListArray.from_arrays(range(len(texts) + 1), column) if kind == "list" else column


@settings(max_examples=example_count(100), deadline=None)
@given(
    texts=st.lists(st.none() | st.binary(max_size=4), min_size=1, max_size=12),
    kinds=st.lists(st.sampled_from(["plain", "list", "struct"]), min_size=1, max_size=3),
    cut=st.integers(0, 11),
)
def test_rows_are_read_but_those_that_hold_what_is_no_text(
    texts: list[bytes | None], kinds: list[str], cut: int
) -> None:
    columns = {str(number): _wrapped(kind, texts) for number, kind in enumerate(kinds)}
    batch = pa.record_batch(columns).slice(min(cut, len(texts) - 1))
    found = list(read_rows(batch))
    assert len(found) == batch.num_rows
    for text, (row, error) in zip(texts[-batch.num_rows :], found, strict=True):
        try:
            plain = None if text is None else text.decode()
        except UnicodeDecodeError:
            assert row == {}
            assert error.startswith("cannot be read: column '0': ")
            continue
        values = {"plain": plain, "list": [plain], "struct": {"t": plain}}
        assert row == {str(number): values[kind] for number, kind in enumerate(kinds)}
        assert error == ""


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
