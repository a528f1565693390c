"""Whatever lies in OUT, the report is written or says in one line why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rings import example_count
from running import finished

from datagen.core.errors import DatagenError
from datagen.report.cells import as_json, is_number, mapping_in, numbers_in
from datagen.report.page import _gather
from datagen.storage.store import Store

ODD = st.sampled_from(
    [
        *("", "{", "[]", "null", "\x00", '{"sift": NaN}', '{"sift": "x", "contrast": "y"}', '{"contrast": 1e999}'),
        *('{"a": {"b": []}}', "{" * 10_000, "[" * 100_000),
        json.dumps({"contrast": 10**400, "box": [1], "edits": 3, "task": [], "subject": {}}),
    ]
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("run"), number=12)


def _reported(out: Path) -> str:
    """The page's data, or the error in a line."""
    try:
        return as_json(_gather(Store(str(out)), samples=20))
    except DatagenError as error:
        return f"error: {error}"


@settings(max_examples=example_count(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_ledger_with_odd_cells_is_reported_or_refused(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(whole, out)
    path = data.draw(st.sampled_from(sorted(out.glob("run/ledger/*/0*.parquet"))))
    table = pq.read_table(path)
    for column in data.draw(st.sets(st.sampled_from(["scores", "seconds", "fields", "detail", "parent", "reason"]))):
        place = table.schema.get_field_index(column)
        values = [data.draw(ODD | st.none() | st.just(id)) for id in table["id"].to_pylist()]
        table = table.set_column(place, column, pa.array(values, pa.string()))
    pq.write_table(table, path)
    found = _reported(out)
    assert not found.startswith("error") or "\n" not in found


@pytest.mark.parametrize(
    "text", ["{}", "[]", "nonsense", '{"sift": 3}', '{"sift": {"fingerprint": "x", "thresholds": [3], "options": []}}']
)
def test_stages_that_are_damaged_are_passed_over(whole: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(whole, tmp_path / "out")
    next((tmp_path / "out").glob("run/ledger/*/stages.json")).write_text(text)
    assert not _reported(tmp_path / "out").startswith("error")


@pytest.mark.parametrize(
    "text", ["", "- 1", "stages: 3", "stages: [{with: {schemes: 3}}, {repeat: []}, 7]", "a: b: c", "[" * 5000, "\x00"]
)
def test_a_config_that_is_damaged_is_shown_as_it_is(whole: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "out" / "run" / "config.yaml").write_text(text)
    assert not _reported(tmp_path / "out").startswith("error")


@pytest.mark.parametrize("name", ["dataset.json", "index.parquet", "run/ledger/*/slices.txt", "shards/*.tar"])
def test_a_file_that_is_cut_is_named(whole: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(whole, tmp_path / "out")
    path = next((tmp_path / "out").glob(name))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert path.name in _reported(tmp_path / "out")


def test_cells_that_hold_no_mapping_hold_nothing() -> None:
    assert [mapping_in(text) for text in (None, "", "3", "[1]", "{", '{"a": 1}')] == [{}, {}, {}, {}, {}, {"a": 1}]
    assert numbers_in('{"a": 1, "b": true, "c": NaN, "d": "2", "e": 2.5}') == {"a": 1.0, "e": 2.5}
    assert not is_number(10**400)
