"""`diff A B`: what became of the same records, told completely and by where they were lost."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import PAINT, ledger_rows, plain_rows, run_local, toy_graph
from commands import call
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen import cli
from datagen.compare.diff import Diff, Transition, diff
from datagen.compare.text import diff_lines

SIFT = {"use": "sift"}


def _run(folder: Path, name: str, stages: list[Any], **keys: Any) -> Path:
    (folder / name).mkdir(exist_ok=True)
    run_local(toy_graph(folder / name, stages, **keys), folder / name / "out")
    return folder / name / "out"


def _sift(share: float, **more: Any) -> dict[str, Any]:
    return {"use": "sift", "with": {"share": share}, **more}


def _diff(a: Path, b: Path, *, examples: int = 5) -> Diff:
    return diff(str(a), str(b), examples=examples)


def _records(transitions: list[Transition], kind: str) -> int:
    return sum(transition.records for transition in transitions if transition.kind == kind)


def _settings(found: Diff) -> list[tuple[str, str]]:
    """All but the place of the manifest, of which each run here has its own."""
    lines = [(setting.stage, setting.change) for setting in found.settings]
    return [(stage, change) for stage, change in lines if not change.startswith("source.path")]


def test_a_dataset_differs_in_nothing_from_itself(tmp_path: Path) -> None:
    out = _run(tmp_path, "a", [SIFT, {"use": "fan_out"}, PAINT], rows=plain_rows(20))
    found = _diff(out, out)
    assert (found.transitions, found.settings, found.notes) == ([], [], [])
    assert found.kept == found.a.accepted
    assert found.unchanged == found.a.records - found.a.accepted
    assert [shift.changed for shift in found.scores] == [0, 0]


def test_a_stricter_filter_loses_records_by_its_reason_and_gains_none(tmp_path: Path) -> None:
    a = _run(tmp_path, "a", [_sift(0.2), PAINT], rows=plain_rows(40))
    b = _run(tmp_path, "b", [_sift(0.6), PAINT], rows=plain_rows(40))
    found = _diff(a, b)
    [lost] = found.transitions
    assert (lost.kind, lost.before, lost.after) == ("lost", "accepted", "rejected by sift/unlucky")
    assert lost.records == found.a.accepted - found.b.accepted > 0
    ends = ledger_rows(b)
    assert len(lost.examples) == 5
    assert {ends[example.id]["status"] for example in lost.examples} == {"rejected"}
    assert _settings(found) == [("sift", "option share: 0.2 -> 0.6")]
    back = _diff(b, a).transitions
    assert [(gained.kind, gained.before, gained.records) for gained in back] == [("gained", lost.after, lost.records)]


def test_children_that_were_never_made_are_told_by_what_their_parent_was_rejected_for(tmp_path: Path) -> None:
    a = _run(tmp_path, "a", [{"use": "fan_out"}, {"use": "fan_out", "id": "again"}, PAINT], rows=plain_rows(12))
    b = _run(
        tmp_path, "b", [_sift(1), {"use": "fan_out"}, {"use": "fan_out", "id": "again"}, PAINT], rows=plain_rows(12)
    )
    found = _diff(a, b)
    assert {transition.after for transition in found.transitions} == {"rejected by sift/unlucky"}
    assert _records(found.transitions, "lost") == found.a.accepted > 0


def test_fewer_children_of_a_parent_were_not_made(tmp_path: Path) -> None:
    a = _run(tmp_path, "a", [{"use": "fan_out", "with": {"most": 5}}, PAINT], rows=plain_rows(12))
    b = _run(tmp_path, "b", [{"use": "fan_out", "with": {"most": 1}}, PAINT], rows=plain_rows(12))
    found = {transition.after for transition in _diff(a, b).transitions if transition.kind == "lost"}
    assert found == {"not made", "rejected by fan_out/no_children"}


def test_a_record_that_was_accepted_whole_is_lost_where_it_is_made_into_others(tmp_path: Path) -> None:
    a = _run(tmp_path, "a", [PAINT], rows=plain_rows(9))
    b = _run(tmp_path, "b", [{"use": "fan_out"}, PAINT], rows=plain_rows(9))
    found = {(one.kind, one.before, one.after) for one in _diff(a, b).transitions}
    assert found == {
        ("lost", "accepted", "made into others"),
        ("lost", "accepted", "rejected by fan_out/no_children"),
        ("gained", "not made", "accepted"),
    }


def test_records_of_one_source_alone_are_not_there_in_the_other(tmp_path: Path) -> None:
    a = _run(tmp_path, "a", [PAINT], rows=plain_rows(4))
    b = _run(tmp_path, "b", [PAINT], rows=plain_rows(6))
    [gained] = _diff(a, b).transitions
    assert (gained.kind, gained.before, gained.after, gained.records) == ("gained", "not there", "accepted", 2)
    assert sorted(example.id for example in gained.examples) == ["r4", "r5"]
    strangers = [{**row, "id": f"x{row['id']}"} for row in plain_rows(4)]
    c = _run(tmp_path, "c", [PAINT], rows=strangers)
    assert "no record of one is in the other" in _diff(a, c).notes[0]


def test_other_pictures_under_the_same_id_are_changed(tmp_path: Path) -> None:
    a = _run(tmp_path, "a", [PAINT], rows=plain_rows(4))
    b = _run(tmp_path, "b", [PAINT], rows=[{**row, "uri": f"{row['uri']}!"} for row in plain_rows(4)])
    c = _run(tmp_path, "c", [PAINT], rows=plain_rows(4), seed=1)
    assert [(one.kind, one.records) for one in _diff(a, b).transitions] == [("changed", 4)]  # the words alone
    found = _diff(a, c)
    assert [(one.kind, one.records) for one in found.transitions] == [("changed", 4)]
    assert _settings(found) == [("", "seed: 0 -> 1")]
    result = "\n".join(diff_lines(found))
    assert "changed: in both, but with other pictures or words (r" in result
    assert "another in 4 of 4" in result
    [shift] = found.scores
    assert (shift.name, shift.records, shift.changed) == ("sharpness", 4, 4)


def test_failures_are_ends_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = plain_rows(6)
    a = _run(tmp_path, "a", [{"use": "blow_up"}, PAINT], rows=rows)
    rows[1]["caption"] = "dud"
    b = _run(tmp_path, "b", [{"use": "blow_up"}, PAINT], rows=rows)
    [lost] = _diff(a, b).transitions
    assert (lost.after, [example.id for example in lost.examples]) == ("failed in blow_up", ["r1"])
    assert "5 of 6 records accepted, 1 failed;" in call("diff", a, b, capfd=capfd).out


def test_what_packing_dropped_is_rejected_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**row, "uri": "same"} for row in plain_rows(3)]
    a = _run(tmp_path, "a", [PAINT], rows=rows)
    graph = toy_graph(tmp_path, [PAINT], rows=rows)
    monkeypatch.setattr(graph.nodes[0].stage, "rng", lambda stage, record: np.random.default_rng(0))
    run_local(graph, tmp_path / "b")
    found = _diff(a, tmp_path / "b")
    assert [(one.kind, one.after, one.records) for one in found.transitions] == [
        ("lost", "rejected by pack/duplicate", 2),
        ("changed", "accepted", 1),
    ]


def test_stages_that_came_and_went_are_told_and_what_follows_is_not(tmp_path: Path) -> None:
    a = _run(tmp_path, "a", [SIFT, PAINT])
    b = _run(tmp_path, "b", [{"use": "fan_out"}, PAINT])
    found = _settings(_diff(a, b))
    assert ("fan_out", "new stage") in found
    assert ("sift", "no such stage any more") in found
    assert not any("depends on" in change for _, change in found)


_STAGES = st.lists(
    st.sampled_from(
        [
            {"use": "fan_out", "with": {"most": 2}},
            {"use": "gather"},
            {"use": "sift", "with": {"share": 0.2}},
            {"use": "sift", "with": {"share": 0.5}},
        ]
    ),
    max_size=3,
    unique_by=lambda stage: stage["use"],
).map(
    lambda stages: [
        stage
        for stage in stages
        if stage["use"] != "gather" or {"use": "fan_out", "with": {"most": 2}} in stages[: stages.index(stage)]
    ]
)


@settings(max_examples=example_count(8), deadline=None)
@given(a=_STAGES, b=_STAGES)
def test_every_accepted_sample_of_both_sides_is_told_once(a: list[Any], b: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outs = [_run(Path(folder), name, [*stages, PAINT], rows=plain_rows(9)) for name, stages in (("a", a), ("b", b))]
        found = _diff(*outs)
    both = found.kept + _records(found.transitions, "changed")
    assert both + _records(found.transitions, "lost") == found.a.accepted
    assert both + _records(found.transitions, "gained") == found.b.accepted


def test_the_page_shows_what_was_lost_and_runs_nothing_of_the_data(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row, "id": f"<script>alert({n})</script>"} for n, row in enumerate(plain_rows(12))]
    a = _run(tmp_path, "a", [_sift(0.0), PAINT], rows=rows)
    b = _run(tmp_path, "b", [_sift(0.7), PAINT], rows=rows, seed=0)
    page = tmp_path / "page.html"
    result = call("diff", a, b, "--to", page, "--json", capfd=capfd)
    assert result.code == cli.OK
    assert result.data["transitions"][0]["kind"] == "lost"
    html = page.read_text()
    assert html.count("data:image/webp;base64,") == 5
    assert "lost: accepted -&gt; rejected by sift/unlucky" in html
    assert "<script" not in html.lower()
    assert "&lt;script&gt;alert(" in html


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{a}", "nowhere"], "nowhere does not exist"),
        (["{a}", "{a}", "--to", "page.pdf"], "page.pdf: the page is a .html file; give --to FILE.html"),
        (["{a}", "{a}", "--to", "no/such/folder/page.html"], "cannot be written: No such file or directory"),
    ],
)
def test_a_mistake_gets_a_line(
    tmp_path: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a = _run(tmp_path, "a", [PAINT], rows=plain_rows(2))
    monkeypatch.chdir(tmp_path)
    result = call("diff", *(word.format(a=a) for word in words), capfd=capfd)
    assert result.code == cli.WRONG
    assert message in result.err
    assert result.err.count("\n") == 1


def test_an_index_that_lacks_a_sample_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a = _run(tmp_path, "a", [_sift(0.0), PAINT], rows=plain_rows(6))
    b = _run(tmp_path, "b", [_sift(1.0), PAINT], rows=plain_rows(6))
    index = pq.read_table(a / "index.parquet")
    renamed = pa.array([f"x{key}" for key in index["key"].to_pylist()])
    pq.write_table(index.set_column(0, "key", renamed), a / "index.parquet")
    result = call("diff", a, b, "--to", tmp_path / "page.html", capfd=capfd)
    assert result.code == cli.WRONG
    assert "lacks the sample 'r" in result.err
    assert "verify says what is wrong" in result.err
    assert not (tmp_path / "page.html").exists()


def test_the_text_says_it_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a = _run(tmp_path, "a", [_sift(0.2), PAINT], rows=plain_rows(40))
    b = _run(tmp_path, "b", [_sift(0.6), PAINT], rows=plain_rows(40))
    output = call("diff", a, b, capfd=capfd).out
    assert "sift: option share: 0.2 -> 0.6" in output
    assert "lost: accepted -> rejected by sift/unlucky (r" in output
    assert "scores that are the same in all records: contrast, sharpness" in output
