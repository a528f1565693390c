"""`measure`: statistics and joins on cases made by hand, and one small measurement of drawn sessions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import call
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_worlds import write_config
from rings import example_count
from world_sessions import of_plot, specification

from datagen.imaging.geometry import dilate, iou
from datagen.imaging.image import Image
from datagen.measure.alignment import AlignmentCase, AlignmentOptions, alignment_accuracy, alignment_cases
from datagen.measure.boxes import KEPT, PIPELINE, BoxCase, box_cases, box_shares
from datagen.measure.conflicts import ANY, WINDOW, conflict_accuracy, conflict_cases, pair_cases
from datagen.measure.drawn_boxes import drawn_candidates
from datagen.measure.intervals import FoundAndTrue, accuracy_of, share_of
from datagen.measure.ledger_view import LedgerRow, LedgerView, view_ledger
from datagen.measure.samples import Regions, StoredEdits, WindowCase, reads_right, sample_shares, window_case, words_of
from datagen.measure.tables import Aim
from datagen.measure.truth import TrueSession, WindowName
from datagen.worlds.conflicts import TurnRelation
from datagen.worlds.session import render_session

PHOTOGRAPHS = st.sampled_from("abcdef")


@given(st.lists(st.tuples(PHOTOGRAPHS, st.booleans())))
@settings(max_examples=example_count(50), deadline=None)
def test_an_interval_holds_the_share_and_needs_three_photographs(cases: list[tuple[str, bool]]) -> None:
    share = share_of(cases)
    assert share.cases == len(cases)
    assert share.photographs == len({photograph for photograph, _ in cases})
    if not cases:
        assert share.value is None
    elif share.photographs < 3:
        assert (share.low, share.high) == (None, None)
    else:
        assert share.value is not None
        assert share.low is not None
        assert share.high is not None
        assert 0 <= share.low <= share.value <= share.high <= 1


def test_cases_on_one_photograph_are_not_independent() -> None:
    """Photographs that are all right or all wrong say less than as many mixed ones."""
    apart = share_of((name, name in "ab") for name in "abcd" for _ in range(50))
    mixed = share_of((name, number % 2 == 0) for name in "abcd" for number in range(50))
    assert apart.value == mixed.value == 0.5
    assert (apart.low, apart.high) == (0, 1)
    assert mixed.low == pytest.approx(0.431, abs=0.001)  # Wilson's, of 200


def test_where_all_is_right_the_lower_bound_is_below_one() -> None:
    assert share_of((name, True) for name in "abc" for _ in range(10)).low == pytest.approx(0.886, abs=0.001)


def test_precision_recall_and_f1_by_hand() -> None:
    found = accuracy_of(FoundAndTrue("abc"[i % 3], *pair) for i, pair in enumerate(
        [(True, True)] * 6 + [(True, False)] * 2 + [(False, True)] * 4 + [(False, False)] * 9
    ))  # fmt: skip
    assert (found.true, found.found) == (10, 8)
    assert (found.precision.value, found.recall.value) == (0.75, 0.6)
    assert found.f1.value == pytest.approx(2 * 0.75 * 0.6 / 1.35)


def test_a_relation_that_is_not_sure_counts_neither_way() -> None:
    true = [
        TurnRelation(1, 2, "undo", "", True),
        TurnRelation(1, 2, "same_object", "", False),
        TurnRelation(2, 3, "needs_result", "", True),
        TurnRelation(0, 1, "dangling", "", True),
    ]
    judged = [
        {"first": 1, "second": 2, "kind": "undo"},
        {"first": 1, "second": 2, "kind": "same_object"},
        {"first": 1, "second": 3, "kind": "same_object"},
        {"first": 0, "second": 1, "kind": "dangling"},
    ]
    kinds = [case for case in pair_cases(judged, true) if case[0] != ANY]
    assert sorted(kinds) == [
        ("dangling", True, True),
        ("needs_result", False, True),
        ("same_object", True, False),
        ("undo", True, True),
    ]
    pairs = [case[1:] for case in pair_cases(judged, true) if case[0] == ANY]
    assert sorted(pairs) == [(False, True), (True, False), (True, True), (True, True)]
    assert [case for case in pair_cases([], true) if case[0] == "same_object"] == []


PART = {"op": "add", "object": "red star", "cues": []}
TRUTH = {"op": "add", "object": "red star", "count": 1}
EDIT = {"op": "add", "object": "red star"}


@pytest.mark.parametrize(
    ("parts", "truth", "edit", "right"),
    [
        ([PART], {}, {}, True),
        ([{**PART, "object": "Red stars"}], {}, {}, True),
        ([{**PART, "object": "star"}], {}, {}, False),
        ([{**PART, "op": "change"}], {}, {}, False),
        ([PART], {}, {"object": "star"}, False),
        ([PART], {}, {"op": "move"}, False),
        ([], {}, {}, False),
        ([PART, PART], {}, {}, False),
        ([PART, PART], {"count": 2, "object": "two red stars"}, {}, True),
        ([PART], {"count": 2, "object": "two red stars"}, {}, False),
        ([PART, {"op": "global", "object": "", "cues": ["standing"]}], {}, {}, True),
        ([{**PART, "object": ""}], {"object": "it"}, {"object": ""}, True),
        ([PART], {"object": "it"}, {}, False),
        ([{**PART, "op": "undo", "object": ""}], {"op": "undo"}, {"op": "undo", "object": ""}, True),
    ],
)
def test_whether_an_instruction_is_read_right(
    parts: list[dict[str, Any]], truth: dict[str, Any], edit: dict[str, Any], right: bool
) -> None:
    assert reads_right(parts, TRUTH | truth, EDIT | edit) is right


def test_the_words_of_a_name() -> None:
    assert words_of("the two blue boxes") == ["blue", "box"]
    assert words_of("") == []


def _row(id: str, *, parent: str = "", status: str = "combined", **fields: Any) -> dict[str, Any]:
    stage, reason = fields.pop("at", ("", ""))
    texts = {"fields": json.dumps({"session": "world/0", **fields}), "scores": "{}", "key": ""}
    return {"id": id, "parent": parent, "status": status, "stage": stage, "reason": reason, **texts}


def test_the_ledger_is_joined_by_session_and_turn_numbers() -> None:
    view = view_ledger([
        _row("0/1", turn=1), _row("0/2", turn=2),
        _row("0/3", turn=3, status="rejected", at=("select_box", "unchanged")),
        _row("0/1+0", parent="0/1", status="expanded", turn=1, turn_relations=[{"first": 1, "second": 2, "kind": "undo"}]),
        _row("0/1+0#0", parent="0/1+0", status="rejected", at=("filter_conflicts", "undo"), turn=1, turn_relations=[], first_turn=1, turn_count=2),
    ])  # fmt: skip
    assert view.seen("world/0") == {1, 2}
    assert view.judged("world/0") == [{"first": 1, "second": 2, "kind": "undo"}]
    assert view.judged("world/1") is None
    lost = {last: view.lost_at(WindowName("world/0", 1, last)) for last in (2, 3)}
    assert lost == {2: "filter_conflicts/undo", 3: "select_box/unchanged"}
    assert view.lost_at(WindowName("world/0", 2, 2)) == "merge_turns/not_made"


@given(st.integers(8, 120), st.integers(8, 120), st.integers(0, 100), st.integers(0, 100), st.integers(0, 99))
@settings(max_examples=example_count(40), deadline=None)
def test_one_drawn_candidate_is_right(width: int, height: int, x: int, y: int, seed: int) -> None:
    truth = (float(x), float(y), float(x + width), float(y + height))
    boxes = drawn_candidates(truth, size=(256, 256), seed=seed)
    assert sum(iou(box, truth) > 0.5 for box in boxes) == 1
    assert (0.0, 0.0, 256.0, 256.0) in boxes
    assert boxes == drawn_candidates(truth, size=(256, 256), seed=seed)
    assert all(0 <= box[0] < box[2] <= 256 and 0 <= box[1] < box[3] <= 256 for box in boxes)


def test_strays_and_shifts_are_what_damage_did() -> None:
    plain = render_session(specification(3))
    stray = render_session(specification(3, damage="elsewhere", strength=2.0))
    for clean, spoilt in zip(plain, stray, strict=True):
        apart_HW = (clean.target.array != spoilt.target.array).any(axis=-1)
        assert not apart_HW[~spoilt.stray].any()
        assert spoilt.stray.any()
        assert not clean.stray.any()
    session = TrueSession("world/3", render_session(specification(3, damage="shift", strength=2.0)))
    assert all(2 <= session.shift(WindowName("world/3", turn, turn)) <= 3.2 for turn in range(1, 5))
    assert session.shift(WindowName("world/3", 1, 4)) == pytest.approx(np.hypot(*session.turns[-1].shift))
    assert TrueSession("world/3", plain).shift(WindowName("world/3", 1, 4)) == 0


def _plain(**options: Any) -> tuple[TrueSession, LedgerView]:
    """A session without conflicts, and a ledger in which all was read and chosen right."""
    session = TrueSession("world/0", render_session(of_plot("plain", turns=3, **options)))
    view = LedgerView()
    for turn in (1, 2, 3):
        truth = session.truth(turn)
        name = " ".join(words_of(truth["object"])) if truth["op"] != "global" else ""
        parts = [{"op": truth["op"], "object": name, "cues": []}] * truth["count"]
        fields = {"parts": parts, "op": truth["op"], "box": truth["box"], "box_candidates": []}
        view.turns["world/0", turn] = LedgerRow("combined", "", fields, {})
    return session, view


def _sample(session: TrueSession, view: LedgerView, window: WindowName) -> StoredEdits:
    """The sample that a pipeline without a fault would make of a window."""
    source, target = (picture.array for picture in session.pictures(window))
    region = np.zeros(source.shape[:2], np.bool_)
    edits = []
    for turn in range(window.first, window.last + 1):
        x0, y0, x1, y1 = map(int, session.box(turn))
        region[y0:y1, x0:x1] = True
        row = view.turns["world/0", turn].fields
        edits.append({"op": row["op"], "object": row["parts"][0]["object"], "box": row["box"]})
    pasted = np.where(dilate(region, 4)[..., None], target, source)
    return StoredEdits(edits, source, pasted, region)


WINDOW_OF_TWO = WindowName("world/0", 1, 2)


def test_a_sample_is_wrong_in_the_respect_in_which_it_was_spoilt() -> None:
    session, view = _plain()
    sample = _sample(session, view, WINDOW_OF_TWO)
    regions = Regions(4, 2.0)

    def faults(sample: StoredEdits, session: TrueSession = session) -> tuple[str, ...]:
        return window_case(session, WINDOW_OF_TWO, view, sample, regions=regions).wrong

    assert faults(sample) == ()
    first, second = sample.edits
    assert faults(sample._replace(edits=[{**first, "op": "undo"}, second])) == ("words",)
    assert faults(sample._replace(edits=[first, {**second, "box": [0.0, 0.0, 3.0, 3.0]}])) == ("boxes",)
    assert faults(sample._replace(edits=[first])) == ("words", "boxes")
    assert "shown" in faults(sample._replace(target=sample.source))
    fitted = sample.target.astype(np.int16) + np.where(session.edited(WINDOW_OF_TWO)[..., None], 20, 0)
    assert faults(sample._replace(target=fitted.clip(0, 255).astype(np.uint8))) == ()
    far_HW = ~dilate(sample.region, 12)
    assert faults(sample._replace(target=np.where(far_HW[..., None], 255 - sample.target, sample.target))) == (
        "outside",
    )
    undone = TrueSession("world/0", [
        turn._replace(truth={**turn.truth, "relations": [TurnRelation(1, 2, "undo", "", True)._asdict()] if number == 2 else []})
        for number, turn in enumerate(session.turns, 1)
    ])  # fmt: skip
    assert faults(sample, undone) == ("conflicts",)
    moved = TrueSession(
        "world/0", [turn._replace(shift=(3.0 * number, 0.0)) for number, turn in enumerate(session.turns, 1)]
    )
    assert faults(sample, moved) == ("moved",)
    stray_HW = dilate(sample.region, 3) & ~session.edited(WINDOW_OF_TWO)
    red, drift = np.array([255, 0, 0], np.uint8), np.array([0, 12, 0], np.uint8)
    strays = TrueSession("world/0", [
        turn._replace(stray=stray_HW, target=Image.of(np.where(stray_HW[..., None], red, turn.target.array)))
        for turn in session.turns
    ])  # fmt: skip
    assert faults(sample, strays) == ()
    assert faults(sample._replace(target=np.where(stray_HW[..., None], red, sample.target)), strays) == ("stray",)
    grey, worn = (
        np.where(stray_HW[..., None], 100 + each, picture)
        for each, picture in ((0 * drift, sample.source), (drift, sample.target))
    )
    assert faults(sample._replace(source=grey, target=worn), strays) == ()


def test_what_damage_edits_elsewhere_counts_in_windows_with_a_change_of_the_whole_picture_too() -> None:
    for seed in range(9):
        rendered = render_session(of_plot("global_colour", seed=seed, damage="elsewhere", strength=2.0))
        session = TrueSession("world/0", rendered)
        number = next((turn for turn in range(1, 5) if rendered[turn - 1].tones), 0)
        assert number
        window = WindowName("world/0", number, number)
        stray_HW = session.stray(window)
        assert 0.002 < stray_HW.mean() < 0.02
        source, target = (picture.array for picture in session.pictures(window))
        clean = session.retoned(window, source)
        # Strays of earlier turns change their tone likewise; soft edges of things differ by rounding.
        assert (np.abs(clean.astype(int) - target)[~stray_HW].max(-1) > 8).mean() < 0.003
        frame = np.ones(stray_HW.shape, np.bool_)
        edits = [{"op": "global", "object": "", "box": [0.0, 0.0, 256.0, 256.0]}]
        view = LedgerView()
        fields = {"parts": [{"op": "global", "object": "", "cues": []}], "op": "global"}
        view.turns["world/0", number] = LedgerRow("combined", "", fields, {})
        for shown, wrong in ((target, ("stray",)), (clean, ())):
            sample = StoredEdits(edits, source, shown, frame)
            assert window_case(session, window, view, sample, regions=Regions(4, 2.0)).wrong == wrong


def test_the_yield_counts_right_candidates_alone_and_says_where_others_were_lost() -> None:
    cases = [
        WindowCase("a", True, True, (), ""),
        WindowCase("b", True, False, (), "filter_conflicts/order"),
        WindowCase("c", False, True, ("conflicts", "words"), ""),
        WindowCase("c", False, False, (), "filter_conflicts/undo"),
    ]
    found = sample_shares(cases)
    assert (found.right.value, found.right.cases, found.yielded.value, found.yielded.cases) == (0.5, 2, 0.5, 2)
    assert (found.wrong, found.lost) == ({"words": 1, "conflicts": 1}, {"filter_conflicts/order": 1})


def test_turns_that_did_not_come_to_the_judge_are_left_out() -> None:
    session = TrueSession("world/1", render_session(of_plot("undo")))
    undo = next(each for each in session.relations if each.kind == "undo")
    view = LedgerView()
    for turn in range(1, 5):
        view.turns["world/1", turn] = LedgerRow("combined", "", {}, {})
    assert list(conflict_cases(session, view, least=2, most=None)) == []
    view.sessions["world/1"] = LedgerRow("expanded", "", {"turn_relations": []}, {})
    found = {row.kind: row.accuracy for row in conflict_accuracy([*conflict_cases(session, view, least=2, most=None)])}
    assert found["undo"].recall.value == 0
    assert found[WINDOW].true > 0
    view.turns["world/1", undo.second] = LedgerRow("rejected", "select_box/unchanged", {}, {})
    kinds = {case.kind for case in conflict_cases(session, view, least=2, most=None)}
    assert "undo" not in kinds


def test_the_filter_of_alignment_is_compared_with_the_true_shift() -> None:
    found = alignment_accuracy(
        [AlignmentCase("a", 3, 3.5), AlignmentCase("b", 0, 2.5), AlignmentCase("c", 1, 1)], most=2
    )
    assert (found.accuracy.precision.value, found.accuracy.recall.value, found.judged) == (1, 0.5, 3)
    assert found.error_median == 0.5
    session = TrueSession("world/0", render_session(of_plot("plain", damage="shift", strength=2.0)))
    view = LedgerView()
    view.windows[WINDOW_OF_TWO] = LedgerRow("accepted", "", {}, {"shift": 0.0})
    view.turns["world/0", 1] = LedgerRow("combined", "", {}, {"shift": 9.0})
    of_windows, of_turns = (
        list(alignment_cases(session, view, options=AlignmentOptions("shift", 2, each))) for each in (False, True)
    )
    assert [case.measured for case in of_windows] == [0]
    assert of_windows[0].true == session.shift(WINDOW_OF_TWO)
    assert [case.measured for case in of_turns] == [9]


def test_boxes_by_rule_and_by_what_they_choose_among() -> None:
    session, view = _plain()
    local = [turn for turn in (1, 2, 3) if session.is_local(turn)]
    cases = list(box_cases(session, view, models=None, similar=False))
    chosen = [case for case in cases if case.rule == PIPELINE]
    assert [case.right for case in chosen] == [True] * len(local)
    drawn = {case.rule for case in cases if case.candidates == "drawn"}
    assert drawn == {"published, pixels", "published, pixels, supersets barred", "corrected, pixels"}
    assert all(case.right for case in cases if (case.rule, case.candidates) == ("corrected, pixels", "drawn"))
    # nothing was proposed but the map's own box
    assert not any(case.right for case in cases if case.candidates == "proposed")
    view.turns["world/0", local[0]] = LedgerRow("rejected", "select_box/unchanged", {}, {})
    cases = list(box_cases(session, view, models=None, similar=False))
    assert [case.right for case in cases if case.rule == PIPELINE] == [False] + [True] * (len(local) - 1)
    assert [case.right for case in cases if case.rule == KEPT] == [True] * (len(local) - 1)


def test_shares_of_boxes_by_damage_and_strength() -> None:
    cases = [
        BoxCase("a", "shift", 2.0, "add", "rule", "drawn", True),
        BoxCase("b", "shift", 1.0, "add", "rule", "drawn", False),
        BoxCase("c", "none", 0.0, "move", "rule", "drawn", True),
    ]
    (row,) = box_shares(cases)
    assert (row.mild.value, row.strong.value, row.all.value) == (0.5, 1, pytest.approx(2 / 3))
    assert {name: share.value for name, share in row.by_damage.items()} == {"none": 1, "shift 1": 0, "shift 2": 1}
    assert {name: share.cases for name, share in row.by_op.items()} == {"add": 2, "move": 1}


def test_an_aim_that_was_not_measured_is_not_reached() -> None:
    assert Aim("x", 0.9, 0.9).reached
    assert not replace(Aim("x", 0.9, 0.9), found=None).reached


def test_a_pipeline_is_measured(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, width=96, height=96, turns=3)
    words = ("measure", config, "--sessions", 1, "--no-encoder", "--set", "source.turns=2")
    result = call(*words, "--json", capfd=capfd)
    assert result.code == 0, result
    found = result.data
    assert (found["split"], found["damages"], found["strengths"]) == ("held_out", ["blur", "elsewhere", "all"], [1, 2])
    assert [(each["wording"], each["turns"]) for each in found["results"]] == [("held_out", 2), ("tuned", 2)]
    assert "fewer than 3" in " ".join(found["notes"])
    assert set(found["not_measured"]) == {"EfficientNet-Lite0", "CLIP"}
    assert {aim["least"] for aim in found["aims"]} == {0.95, 0.9, 0.7}
    result = call(*words, "--split", "tuned", capfd=capfd)
    assert result.code == 0, result
    for title in ("boxes with IoU > 0.5", "conflicts between turns", "filter of alignment, and samples", "aims"):
        assert title in result.out
    assert not list(tmp_path.glob("datagen-measure-*"))
