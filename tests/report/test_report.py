"""The page of a run: whole, inert, without secrets, and its numbers those of the dataset."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from building import PAINT, dataset_bytes, ledger_rows, plain_rows, run_local, toy_graph
from hypothesis import given
from hypothesis import strategies as st
from running import FAN, finished, page_data, parsed
from typer.testing import CliRunner

from datagen import cli
from datagen.core.errors import SetupError, StoreError
from datagen.execute.ledger.cost_ledger import read_run_cost
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.ledger_audit import audit_ledger
from datagen.execute.maintain.gc import collect_garbage
from datagen.execute.maintain.verify import verify
from datagen.imaging.image import Image
from datagen.report import page as pages
from datagen.report.cells import as_json
from datagen.report.page import write_report
from datagen.shards.index import read_dataset
from datagen.storage.store import Store

GREY = Image.of(np.full((4, 4, 3), 99, np.uint8))
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u2028<!--"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("run"))


def test_the_flow_adds_up_to_the_totals_of_the_dataset(out: Path) -> None:
    data = page_data(parsed(out))
    totals = read_dataset(Store(str(out))).totals
    arriving = dict.fromkeys(range(len(data["flow"]["nodes"])), 0)
    leaving = dict(arriving)
    for start, end, records in data["flow"]["links"]:
        leaving[start] += records
        arriving[end] += records
    ends: dict[str, int] = {}
    for place, node in enumerate(data["flow"]["nodes"]):
        if node["kind"] == "source":
            assert leaving[place] == totals.records
        elif node["kind"] == "stage":
            assert leaving[place] == arriving[place], node
        else:
            ends[node["label"]] = arriving[place]
    failed = sum(number for label, number in ends.items() if label.endswith(": failed"))
    assert totals.failed
    assert failed == totals.failed
    assert ends == {
        "accepted": totals.accepted,
        **totals.rejected,
        **{label: number for label, number in ends.items() if label.endswith(": failed")},
    }
    assert data["notes"] == []


def test_what_a_stage_met_and_lost_is_what_the_ledger_says(out: Path) -> None:
    stages = {stage["id"]: stage for stage in page_data(parsed(out))["stages"]}
    rows = ledger_rows(out).values()
    for id, stage in stages.items():
        assert stage["met"] == sum(id in json.loads(row["seconds"]) for row in rows)
        assert stage["rejected"] == sum((row["status"], row["stage"]) == ("rejected", id) for row in rows)
        assert stage["failed"] == sum((row["status"], row["stage"]) == ("failed", id) for row in rows)
    assert stages["fan_out"]["made"] == sum(row["children"] for row in rows) > 0
    assert list(stages) == ["sift", "fan_out", "blow_up", "paint"]


def test_money_and_tokens_of_a_stage_are_what_the_ledger_says(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, [{"use": "ask"}, PAINT]), tmp_path / "out")
    rows = ledger_rows(tmp_path / "out").values()
    stages = {stage["id"]: (stage["tokens"], stage["usd"]) for stage in page_data(parsed(tmp_path / "out"))["stages"]}
    assert stages == {"ask": (3 * len(rows), pytest.approx(0.02 * len(rows))), "paint": (0, 0)}
    assert [json.loads(row["stage_tokens"]) for row in rows] == [{"ask": 3}] * len(rows)
    assert [json.loads(row["stage_usd"]) for row in rows] == [{"ask": 0.02}] * len(rows)


def test_duplicates_that_packing_dropped_are_rejected_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = plain_rows(6)
    graph = toy_graph(tmp_path, [{"use": "fan_out"}, PAINT], rows=[{**rows[0], "id": row["id"]} for row in rows])
    paint = graph.nodes[-1].stage
    monkeypatch.setattr(paint, "_paint", lambda stage, record: {"target": GREY, "instruction": "x", "sharpness": 1.0})
    run_local(graph, tmp_path / "out")
    data = page_data(parsed(tmp_path / "out"))
    dropped = data["totals"]["rejected"] - sum(record["reason"] != "duplicate" for record in data["rejected"])
    assert dropped > 0
    assert {"pack/duplicate", "accepted"} <= {node["label"] for node in data["flow"]["nodes"]}
    assert {record["detail"] for record in data["rejected"] if record["stage"] == "pack"}
    assert data["notes"] == []


def test_everything_the_page_names_is_in_it(out: Path) -> None:
    page = parsed(out)
    for node in page.css("[src], [href], [data], [action], [background]"):
        for name in ("src", "href", "data", "action", "background"):
            value = node.attributes.get(name)
            assert value is None or value.startswith("#"), f"{node.tag} {name}={value}"
            if value:
                assert page.css_first(value), value
    assert not page.css("link, iframe, object, embed, base, form")


def test_only_its_own_scripts_may_run_and_nothing_may_load(out: Path) -> None:
    page = parsed(out)
    policy = page.css_first("meta[http-equiv=Content-Security-Policy]").attributes["content"] or ""
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    scripts = [node.text() for node in page.css("script") if node.attributes.get("type") is None]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts]
    assert rules["script-src"].split() == hashes
    assert len(scripts) == 2


def test_text_from_data_never_becomes_markup(tmp_path: Path) -> None:
    rows = [{**row, "uri": HOSTILE, "caption": HOSTILE if n % 2 else "dud", "license": HOSTILE}
            for n, row in enumerate(plain_rows(12))]  # fmt: skip
    rows[0]["id"] = HOSTILE
    graph = toy_graph(tmp_path, FAN, rows=rows, description=HOSTILE)
    run_local(graph, tmp_path / "out")
    page = parsed(tmp_path / "out")
    assert len(page.css("script")) == 3
    assert not page.css("img")
    assert not [node for node in page.css("*") if any(name.startswith("on") for name in node.attributes)]
    assert HOSTILE in json.dumps(page_data(page), ensure_ascii=False).replace('\\"', '"')
    assert page.css_first(".lead").text() == HOSTILE.strip()


@given(st.recursive(st.text() | st.floats(allow_nan=False, allow_infinity=False), st.lists))
def test_data_comes_back_from_a_script_element_as_it_was(value: object) -> None:
    text = as_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_secrets_are_in_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "orange-marmalade-9")
    rows = [{**row, "uri": "https://me:hunter22@example.org/a.png", "caption": "orange-marmalade-9"}
            for row in plain_rows(6)]  # fmt: skip
    run_local(toy_graph(tmp_path, [{"use": "fan_out"}, {"use": "sift"}, PAINT], rows=rows), tmp_path / "out")
    write_report(str(tmp_path / "out"))
    text = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "orange-marmalade-9" not in text
    assert "hunter22" not in text
    assert "***" in text


def test_failures_are_grouped_by_error_with_the_command_to_retry(out: Path) -> None:
    page = parsed(out)
    errors = {kind["error"]: kind for kind in page_data(page)["errors"]}
    rows = [row for row in ledger_rows(out).values() if row["status"] == "failed"]
    assert errors["it fizzled"]["count"] == sum("fizzled" in row["detail"] for row in rows)
    assert errors["ValueError: it went off"]["count"] == sum("went off" in row["detail"] for row in rows)
    assert f"python -m datagen retry {out}" in page.css_first("#failures").text()
    assert str(errors["it fizzled"]["examples"][0]["id"]) in {row["id"] for row in rows}


def test_errors_that_differ_in_names_and_numbers_alone_count_as_one(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, [{"use": "read_image"}, PAINT], rows=plain_rows(9)), tmp_path / "out")
    [kind] = page_data(parsed(tmp_path / "out"))["errors"]
    assert kind["count"] == 9
    assert kind["stage"] == "read_image"
    assert len(kind["examples"]) == 3


def test_samples_are_few_and_the_same_every_time(out: Path) -> None:
    first = page_data(parsed(out, samples=3))
    assert len(first["accepted"]) == 3
    assert first["totals"]["accepted"] > 3
    assert "3 of" in parsed(out, samples=3).css_first("#accepted .hint").text()
    again = page_data(parsed(out, samples=3))
    assert [record["id"] for record in again["accepted"]] == [record["id"] for record in first["accepted"]]
    every = page_data(parsed(out))
    assert len(every["accepted"]) == every["totals"]["accepted"]


def test_money_and_tokens_stand_by_stage_and_in_all(tmp_path: Path) -> None:
    out = finished(tmp_path, [{"use": "pay"}, PAINT], number=9)
    page = parsed(out)
    data = page_data(page)
    pay = next(stage for stage in data["stages"] if stage["id"] == "pay")
    assert data["usd"] == 3
    assert pay["usd"] == pytest.approx(3)
    assert pay["tokens"] == data["tokens"] == 30
    assert f"${data['usd']:.2f}" in page.css_first("#time tfoot").text()
    assert data["seconds"] > 0


def test_what_stages_took_adds_up_over_runs(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "pay"}, PAINT], rows=plain_rows(9))
    run_local(graph, tmp_path / "out", limit=3)
    ledger = Ledger(Store(str(tmp_path / "out")), read_dataset(Store(str(tmp_path / "out"))).fingerprint)
    before = read_run_cost(ledger)
    run_local(graph, tmp_path / "out")
    after = read_run_cost(ledger)
    assert before.stage_counters["pay"].taken == 3
    assert after.stage_counters["pay"].taken == 9
    assert after.seconds > before.seconds
    (tmp_path / "out" / ledger.folder / "spent.json").write_text("[]")
    assert read_run_cost(ledger).stage_counters == {}


def test_the_config_and_the_graph_are_told(out: Path) -> None:
    page = parsed(out)
    assert page.css_first("#config pre").text().strip() == (out / "run" / "config.yaml").read_text().strip()
    names = [node.text() for node in page.css("#graph li b")]
    assert names == ["source", "sift", "fan_out", "blow_up", "paint", "dataset"]


def test_the_report_is_no_part_of_the_dataset(out: Path) -> None:
    before = dataset_bytes(out)
    write_report(str(out))
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []
    assert collect_garbage(str(out), dry=True).files == {}
    ledger = Ledger(Store(str(out)), read_dataset(Store(str(out))).fingerprint)
    assert audit_ledger(ledger, ledger.slices()).faults == []


def test_it_can_be_written_elsewhere(out: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["report", str(out), "--to", str(tmp_path / "look"), "--samples", "2"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{tmp_path}/look/index.html: 2 samples")
    assert (tmp_path / "look" / "index.html").stat().st_size > 1_000_000
    assert not list((tmp_path / "look").glob("*.tmp"))


def test_a_store_that_is_no_folder_is_reported_too(out: Path) -> None:
    address = "memory://reported"
    for name, data in {**dataset_bytes(out), **_run_files(out)}.items():
        Store(address).write(name, data)
    assert write_report(address).samples
    assert Store(address).exists("report/index.html")


def _run_files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in (out / "run").rglob("*") if path.is_file()}


def test_what_is_missing_is_said(tmp_path: Path, out: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        write_report(str(tmp_path / "nowhere"))
    bare = tmp_path / "bare"
    for name, data in dataset_bytes(out).items():
        Store(str(bare)).write(name, data)
    with pytest.raises(StoreError, match=r"run/ledger/.*slices.txt is missing.*the report is made from"):
        write_report(str(bare))


def test_a_run_whose_options_are_not_known_says_that_it_draws_no_thresholds(tmp_path: Path) -> None:
    out = finished(tmp_path, number=9)
    next(out.glob("run/ledger/*/stages.json")).write_text("{}")
    data = page_data(parsed(out))
    assert any("no thresholds are drawn" in note for note in data["notes"])
    assert [stage["id"] for stage in data["stages"]] == ["sift", "fan_out", "blow_up", "paint"]


def test_without_the_chart_library_it_says_what_to_install(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="pip install plotly"):
        write_report(str(out))


def test_more_pictures_than_there_is_room_for_are_left_out_and_said(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = page_data(parsed(out))
    room = len(as_json([*whole["accepted"], *whole["rejected"]])) * 4 // 5
    monkeypatch.setattr("datagen.report.gallery.MOST_BYTES", room)
    data = page_data(parsed(out))
    shown = [*data["accepted"], *data["rejected"]]
    assert len(as_json(shown)) <= room + 150 * len(shown), "but for what takes a picture's place"
    assert sum(bool(record["pictures"]) for record in data["accepted"]) < len(data["accepted"])
    assert re.search(r"\d+ records are shown without pictures", data["notes"][0])


def test_numbers_are_told_as_people_read_them() -> None:
    assert [pages._span(value) for value in (None, 0.00042, 0.5, 61.0, 900.0, 7200.0)] == [
        "-", "0.42 ms", "500 ms", "61 s", "15 min", "2 h",
    ]  # fmt: skip
    assert [pages._dollars(value) for value in (None, 0.0, 0.00123, 12.5)] == ["-", "$0.00", "$0.0012", "$12.50"]
    assert [pages._size(value) for value in (12, 5_900_000)] == ["12 bytes", "5.9 MB"]
    assert [pages._number(value) for value in (None, 12345, 0.5914, 59480.2)] == ["-", "12,345", "0.591", "59,480"]
