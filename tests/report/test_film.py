"""Sessions as film strips: what a turn shows, in the report and in the sheet of one record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import drawn_sessions as drawn
import pytest
from building import ledger_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count
from running import finished_sessions, page_data, parsed

from datagen.cards.contact_sheet import contact_sheet
from datagen.cards.show import card_of, find, write_sheet
from datagen.report.cells import as_json
from datagen.report.film import film_of

CHOSEN, OTHER = [1.0, 2.0, 8.0, 9.0], [0.0, 0.0, 9.0, 9.0]
EDIT = {"instruction": "add a ball", "op": "add", "object": "ball", "box": CHOSEN}
STEPS = [{"image": "turn_0.png"}, {"image": "target.png"}]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["box", "candidates", "score", "second", "first", "image", "op"]), inner)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_sessions(tmp_path_factory.mktemp("sessions"))


@pytest.fixture(scope="module")
def data(out: Path) -> dict[str, Any]:
    return page_data(parsed(out))


def test_a_turn_has_its_boxes_best_first_and_its_conflicts() -> None:
    rows = [{"box": OTHER, "score": 0.2}, {"box": [0, 0, 5, 5], "score": 0.4}, {"box": CHOSEN, "score": 0.3}]
    conflicts = [
        {"first": 3, "second": 4, "kind": "undo", "reason": "r"},
        {"first": 0, "second": 3, "kind": "dangling"},
    ]
    edits = [{**EDIT, "candidates": rows}, {**EDIT, "box": []}]
    one, two = film_of({"edits": edits, "steps": STEPS, "first_turn": 3, "conflicts": conflicts})
    assert (one.turn, one.picture, two.turn, two.picture) == (3, "turn_0", 4, "target")
    assert [(each.score, each.chosen) for each in one.candidates] == [(0.3, True), (0.4, False), (0.2, False)]
    assert [each.kind for each in one.conflicts] == ["dangling"]
    assert one.lines() == [
        "turn 3 (add ball): add a ball",
        "box 1 2 8 9, scored 0.3",
        "not chosen: 0.4, 0.2",
        "dangling: ",
    ]
    assert two.lines() == ["turn 4 (add ball): add a ball", "undo with turn 3: r"]


def test_edits_that_are_no_turns_are_no_film() -> None:
    assert film_of({"edits": [EDIT]}) == film_of({"edits": [EDIT], "steps": STEPS}) == film_of({}) == ()


@settings(max_examples=example_count(100), deadline=None)
@given(edits=st.lists(st.dictionaries(st.sampled_from([*EDIT, "candidates"]), values), max_size=3), rest=values)
def test_whatever_a_damaged_row_holds_is_shown_or_left_out(edits: list[dict[str, Any]], rest: Any) -> None:
    steps = [{"image": rest}] * len(edits)
    for turn in film_of({"edits": edits, "steps": steps, "conflicts": rest, "first_turn": rest}):
        assert all(isinstance(line, str) for line in turn.lines())
        as_json(turn._asdict())


def test_a_sample_shows_each_turn_on_its_picture(data: dict[str, Any]) -> None:
    assert {len(record["film"]) for record in data["accepted"]} == {2, 3}
    for record in data["accepted"]:
        names = {picture["name"] for picture in record["pictures"]}
        assert {record["before"], *(turn["picture"] for turn in record["film"])} <= names
        assert [turn["turn"] for turn in record["film"]] == list(
            range(record["film"][0]["turn"], record["film"][-1]["turn"] + 1)
        )
        for turn in record["film"]:
            assert turn["op"] == "global" or [each["chosen"] for each in turn["candidates"]].count(True) == 1


def test_a_rejected_window_has_its_conflict_and_pictures_of_its_session(data: dict[str, Any]) -> None:
    assert {record["reason"] for record in data["rejected"]} == {"same_object"}
    for record in data["rejected"]:
        conflicts = [(turn["turn"], each["first"]) for turn in record["film"] for each in turn["conflicts"]]
        assert conflicts == [(2, 1)]
        names = {picture["name"] for picture in record["pictures"]}
        assert {f"state_{turn['turn']}" for turn in record["film"]} <= names
        assert record["size"] == [drawn.WIDTH, drawn.HEIGHT]
        assert "pictures of its turns are those of samples of the same session" in record["notes"]


def test_the_sheet_of_a_record_shows_its_turns(out: Path, tmp_path: Path) -> None:
    rows = ledger_rows(out).values()
    accepted = max(
        (row for row in rows if row["status"] == "accepted"), key=lambda row: json.loads(row["fields"])["turn_count"]
    )
    found = find(str(out), accepted["id"])
    write_sheet(found, tmp_path / "one.html")
    page = (tmp_path / "one.html").read_text()
    assert page.count('alt="after turn') == 3
    assert page.count('class="box rejected"') >= 3
    assert "not chosen: " in page
    plain = card_of(found)
    assert contact_sheet(plain) != contact_sheet(
        plain.__class__(plain.title, plain.ended, plain.sheet._replace(film=()))
    )
    lost = next(row for row in rows if row["status"] == "rejected")
    write_sheet(find(str(out), lost["id"]), tmp_path / "lost.html")
    assert "same_object with turn 1: " in (tmp_path / "lost.html").read_text()
