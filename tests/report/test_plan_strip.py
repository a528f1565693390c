"""Plans as strips: what a frame shows, in the report and in the sheet of one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from building import plain_rows, run_local, toy_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count
from running import finished_plans, page_data, parsed
from selectolax.lexbor import LexborHTMLParser
from test_report import HOSTILE
from toys.judge_plan import FAULT, LONG

from datagen.cards.contact_sheet import contact_sheet
from datagen.cards.show import card_of, find, record_text, write_sheet
from datagen.report.cells import as_json
from datagen.report.plan_strip import StripFrame, checks_of, fault_words, strip_of

STEPS = [
    {"instruction": "Add a bear.", "description": "A bear.", "image": "turn_0.png"},
    {"instruction": "Add a cat.", "image": "target.png"},
]
WRONG = {"verdict": "inconsistent", "critique": "The cat is a dog.", "correction": "Replace the dog with a cat."}
BOX = (1, 2, 8, 9)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*STEPS[0], *WRONG, "kind", "box", "holds", "expected"]), inner)
    ),
    max_leaves=14,
)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_plans(tmp_path_factory.mktemp("plans"))


@pytest.fixture(scope="module")
def data(out: Path) -> dict[str, Any]:
    return page_data(parsed(out))


def _of(data: dict[str, Any], task: str) -> list[dict[str, Any]]:
    found = [record for record in data["accepted"] if record["task"] == task]
    assert found, task
    return found


def test_a_plan_is_a_frame_a_step_and_the_fault_is_where_the_verdict_says() -> None:
    steps = [STEPS[0], {**STEPS[1], **WRONG}]
    one, two = strip_of({"steps": steps, "fault": {"kind": "extra", "box": BOX}}, pictures=["turn_0", "target"])
    assert (one.title, one.picture, one.fault, one.is_wrong) == ("step 1", "turn_0", None, False)
    assert (two.title, two.picture, two.fault, two.is_wrong) == ("step 2", "target", BOX, True)
    assert one.lines() == ["step 1: Add a bear.", "description: A bear."]
    assert two.lines() == [
        "step 2: Add a cat.",
        "verdict: inconsistent",
        "critique: The cat is a dog.",
        "correction: Replace the dog with a cat.",
        "fault in box 1 2 8 9",
    ]


def test_a_single_step_has_its_number_and_the_picture_before() -> None:
    judged = {"task": "inspect_image", "step": 3, "steps": [{**STEPS[1], **WRONG}]}
    titles = [frame.title for frame in strip_of(judged, pictures=["source", "target"])]
    assert titles == ["before", "step 3"]
    assert [frame.title for frame in strip_of(judged, pictures=["target"])] == ["step 3"]


def test_the_source_of_a_judged_text_is_not_before_its_first_step() -> None:
    judged = {"task": "inspect_text", "step": 2, "steps": STEPS}
    assert [frame.title for frame in strip_of(judged, pictures=["source"])] == ["step 1", "step 2"]


@pytest.mark.parametrize(
    "step", [{**STEPS[1], **WRONG}, {"instruction": WRONG["correction"], "critique": "The cat is a dog."}]
)
def test_a_correction_goes_from_the_flawed_to_the_mended_picture(step: dict[str, Any]) -> None:
    instruction = f"<imagehere> {WRONG['correction']}"
    record = {"task": "refine", "instruction": instruction, "steps": [step], "fault": {"box": list(BOX)}, "edits": [{}]}
    flawed, mended = strip_of(record, pictures=["source", "target"])
    assert (flawed.picture, flawed.fault, flawed.is_wrong) == ("source", BOX, True)
    assert (flawed.critique, flawed.correction) == (WRONG["critique"], WRONG["correction"])
    assert flawed.instruction == ("Add a cat." if "verdict" in step else "")
    assert mended == StripFrame("mended", "target")


def test_turns_of_a_session_are_no_plan() -> None:
    turns = [{"instruction": "add a ball", "image": "target.png"}]
    assert strip_of({"steps": turns, "edits": [{"op": "add"}]}, pictures=["source", "target"]) == ()
    assert strip_of({}, pictures=["source"]) == ()


@settings(max_examples=example_count(150), deadline=None)
@given(steps=st.lists(values, max_size=3), rest=values, task=st.sampled_from(["refine", "inspect_text", ""]))
def test_whatever_a_damaged_row_holds_is_shown_or_left_out(steps: list[Any], rest: Any, task: str) -> None:
    damaged = {"steps": steps, "edits": rest, "fault": rest, "atoms": rest, "step": rest, "task": task}
    for frame in strip_of(damaged, pictures=["source"]):
        assert all(isinstance(line, str) for line in frame.lines())
        as_json(frame._asdict())
    assert all(isinstance(check.line(), str) for check in checks_of(damaged))
    assert isinstance(fault_words(damaged), str)


def test_checks_that_fail_come_first() -> None:
    rows = [{"kind": "count", "expected": "2 cats", "found": "2 cats", "holds": True},
            {"kind": "object", "expected": "a dog", "found": "", "holds": False}, {"kind": "count"}]  # fmt: skip
    assert [check.line() for check in checks_of({"atoms": rows})] == ["object: a dog, found nothing", "count: 2 cats"]


def test_a_sample_has_the_pictures_of_its_frames(data: dict[str, Any]) -> None:
    for record in data["accepted"]:
        names = {picture["name"] for picture in record["pictures"]}
        assert {frame["picture"] for frame in record["strip"]} <= names
        assert record["film"] == []
        assert record["graph"]["width"]
        wrong = [frame for frame in record["strip"] if frame["fault"]]
        assert [frame["fault"] for frame in wrong] == ([FAULT] if record["fault"] else [])
        assert all(frame["wrong"] for frame in wrong)


def test_each_form_of_sample_has_its_frames(data: dict[str, Any]) -> None:
    titles = {
        task: {tuple(frame["title"] for frame in record["strip"]) for record in _of(data, task)}
        for task in ("plan_generation", "inspect_image", "refine")
    }
    assert titles["plan_generation"] == {tuple(f"step {step}" for step in range(1, last + 1)) for last in (4, 6)}
    assert titles["inspect_image"] == {("before", "step 4")}
    assert titles["refine"] == {("flawed", "mended")}
    for record in _of(data, "inspect_text"):
        *before, last = record["strip"]
        assert {frame["verdict"] for frame in before} == {""}
        assert last["verdict"] == ("inconsistent" if record["fault"] else "consistent")
        assert bool(last["critique"]) == bool(last["correction"]) == bool(record["fault"])
        assert [check["holds"] for check in record["checks"]] == ([False, True] if record["fault"] else [True])


def test_a_rejected_record_shows_what_answers_hold_of_its_pictures(data: dict[str, Any]) -> None:
    rejected = [record for record in data["rejected"] if record["task"] in ("plan_generation", "inspect_text")]
    assert rejected
    for record in rejected:
        names = {picture["name"] for picture in record["pictures"]}
        assert {frame["picture"] for frame in record["strip"]} <= names


def test_the_sheet_of_a_record_shows_its_frames_and_its_graph(out: Path, data: dict[str, Any], tmp_path: Path) -> None:
    record = next(record for record in _of(data, "refine"))
    found = find(str(out), record["id"])
    write_sheet(found, tmp_path / "one.html")
    page = LexborHTMLParser((tmp_path / "one.html").read_text())
    assert [node.text() for node in page.css(".film.plan li > p:first-of-type b")] == ["flawed", "mended"]
    assert len(page.css(".film.plan rect.fails")) == 1
    assert len(page.css(".scene .node")) == 3
    assert len(page.css(".scene .node.fails")) == 1
    assert "Remove one of the three red circles" in page.css_first(".correction").text()
    assert [node.attributes["alt"] for node in page.css("img")] == ["flawed", "mended"]
    card = card_of(found)
    plain = card.__class__(card.title, card.ended, card.sheet._replace(strip=()))
    assert contact_sheet(card.__class__(card.title, card.ended, card.sheet)) != contact_sheet(plain)


def test_show_writes_the_plan_in_words(out: Path, data: dict[str, Any]) -> None:
    long = next(record for record in _of(data, "plan_generation") if len(record["strip"]) == 6)
    text = record_text(find(str(out), long["id"]))
    assert f"plan    step 3: Add one green disc beside the {LONG}." in text
    assert "          description: 6 discs, the last of them orange." in text
    assert "graph   circle (o1) left of circle (o2)" in text
    assert "graph   o9 on o1: there is no 'o9'" in text
    wrong = record_text(find(str(out), _of(data, "refine")[0]["id"]))
    assert "fault   count_more" in wrong
    assert "fails   count: 2 circles, found 3 circles" in wrong


def test_words_of_a_plan_never_become_markup(tmp_path: Path) -> None:
    rows = [{**row, "caption": f"inspect_text {HOSTILE}"} for row in plain_rows(2)]
    run_local(toy_graph(tmp_path, [{"use": "judge_plan"}], rows=rows), tmp_path / "out")
    page = parsed(tmp_path / "out")
    assert len(page.css("script")) == 3
    write_sheet(find(str(tmp_path / "out"), "r0"), tmp_path / "one.html")
    sheet = LexborHTMLParser((tmp_path / "one.html").read_text())
    assert not sheet.css("script, [onerror]")
    assert "document.title" in sheet.css_first(".film .critique").text()
    assert "document.title" in sheet.css_first(".scene").text()
