"""Turns gathered, merged, filtered and pasted back: the laws of windows, conflicts and regions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from chat_server import chatting, says
from drawn_sessions import LEFT, LOW, RIGHT, ball, brighter, clean_session, ground, square
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen import Failed, Image, Record, Reject
from datagen.core.fields import PLACEHOLDER
from datagen.models.session_judges.base import KINDS
from datagen.worlds.colours import tone
from stages.filter_conflicts import FilterConflicts
from stages.gather_turns import GatherTurns
from stages.join_instructions import JoinInstructions
from stages.merge_turns import MergeTurns
from stages.paste_back import PasteBack

BOXES = (LEFT, RIGHT, LOW)
PART = {"op": "add", "object": "ball", "renamed_to": "", "refers_to": [], "count": 1, "cues": []}
COUNTS = st.integers(1, 20)


def turn(
    number: int, source: Image, target: Image, *, text: str = "add a ball", box: Any = LEFT, **fields: Any
) -> Record:
    values = {"turn": number, "text": text, "session": "s", "source": source, "target": target, "box": box}
    return Record(f"s/{number}", {**values, **PART, "parts": [PART], **fields})


def pictures(count: int) -> list[Image]:
    """Different pictures, one more than there are turns."""
    return [Image.of(np.full((8, 12, 3), 10 * number, np.uint8)) for number in range(count + 1)]


def session(count: int) -> list[Record]:
    states = pictures(count)
    return [turn(number, states[number - 1], states[number]) for number in range(1, count + 1)]


def gathered(records: Sequence[Record], **options: Any) -> Any:
    stage = GatherTurns(GatherTurns.Config(**{"min_turns": 1, **options}))
    found = stage.process_group(list(records), [])
    return found if isinstance(found, Reject) else found[0].like.adding(found[0].fields)


def merged(record: Record, relations: Sequence[dict[str, Any]] = (), **options: Any) -> Any:
    stage = MergeTurns(MergeTurns.Config(**options))
    return stage.process([record.adding({"turn_relations": list(relations)})])[0]


def relation(first: int, second: int, kind: str = "same_object") -> dict[str, Any]:
    return {"first": first, "second": second, "kind": kind, "reason": "x"}


def spans(windows: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(window["first_turn"], window["first_turn"] + window["turn_count"] - 1) for window in windows]


# Gathering


@settings(max_examples=example_count(25), deadline=None)
@given(data=st.data(), count=st.integers(1, 12))
def test_the_order_of_records_never_matters(data: st.DataObject, count: int) -> None:
    records = session(count)
    mixed = data.draw(st.permutations(records))
    one, other = gathered(records), gathered(mixed)
    assert (one.id, one["session_turns"], one["states"]) == (other.id, other["session_turns"], other["states"])
    assert [row["turn"] for row in one["session_turns"]] == list(range(1, count + 1))
    assert one["states"] == pictures(count), "a picture that two turns share is one state"


@settings(max_examples=example_count(40), deadline=None)
@given(count=COUNTS, lost=st.sets(st.integers(1, 20)))
def test_windows_never_span_a_lost_turn(count: int, lost: set[int]) -> None:
    left = [record for record in session(count) if record["turn"] not in lost]
    if not left:
        return
    found = merged(gathered(left), min_turns=1)
    there = {record["turn"] for record in left}
    assert set(spans(found)) == {
        (first, last) for first in there for last in range(first, count + 1) if there >= set(range(first, last + 1))
    }
    for window in found:
        first, last = window["first_turn"], window["first_turn"] + window["turn_count"] - 1
        assert window["source"] == pictures(count)[first - 1]
        assert window["target"] == pictures(count)[last]
        assert window["turns"] == pictures(count)[first:last]


def test_what_is_wrong_with_a_turn_is_named() -> None:
    one, two, three, four = pictures(3)
    small = Image.of(np.zeros((4, 4, 3), np.uint8))
    broken = [turn(1, one, two), turn(2, three, four), turn(3, small, four), turn(5, four, one)]
    assert [row["broken"] for row in gathered(broken)["session_turns"]] == ["", "unlike", "resized", "lost"]
    faulty = [turn(1, one, one), turn(2, one, two), turn(3, two, small)]
    rows = gathered(faulty)["session_turns"]
    assert [row["faulty"] for row in rows] == ["unchanged", "", "resized"]
    assert spans(merged(gathered(faulty), min_turns=1)) == [(2, 2)]
    none = merged(gathered(faulty))
    assert none == Reject("no_window", "3 turns: turn 1 unchanged, turn 3 resized")


def test_a_codec_between_two_turns_breaks_nothing() -> None:
    first = ground()
    after = ball(first, LEFT, "red")
    coded = Image.of(np.clip(after.astype(int) + 3, 0, 255).astype(np.uint8))
    records = [turn(1, Image.of(first), Image.of(after)), turn(2, coded, Image.of(square(after, RIGHT, "green")))]
    assert [row["broken"] for row in gathered(records)["session_turns"]] == ["", ""]
    assert [row["broken"] for row in gathered(records, max_seam=0.001)["session_turns"]] == ["", "unlike"]


@pytest.mark.parametrize(
    ("numbers", "options", "reason"),
    [
        ([1], {"min_turns": 2}, "too_few_turns"),
        (range(1, 5), {"max_turns": 3}, "too_many_turns"),
        ([1, 2, 2], {}, "repeated_turn"),
    ],
)
def test_sessions_that_are_rejected(numbers: Sequence[int], options: dict[str, Any], reason: str) -> None:
    one, two = pictures(1)
    found = gathered([turn(number, one, two) for number in numbers], **options)
    assert found.reason == reason


def test_degenerate_boxes_are_the_frame_or_nothing() -> None:
    one, two, three = pictures(2)
    nan = float("nan")
    records = [turn(1, one, two, box=(nan,) * 4), turn(2, two, three, box=(-5.0, -5.0, 99.0, 99.0))]
    [window] = merged(gathered(records))
    assert [row["box"] for row in gathered(records)["session_turns"]] == [[], [-5.0, -5.0, 99.0, 99.0]]
    assert all(mask.all() for mask in window["masks"])
    [window] = merged(
        gathered([turn(1, one, two, box=(3.0, 2.0, 4.0, 3.0)), turn(2, two, three, box=(50, 50, 60, 60))])
    )
    assert [int(mask.sum()) for mask in window["masks"]] == [1, 1, 0]


# Windows and conflicts


@settings(max_examples=example_count(40), deadline=None)
@given(count=st.integers(2, 20))
def test_n_turns_give_n_over_two_windows(count: int) -> None:
    found = merged(gathered(session(count)))
    assert len(found) == count * (count - 1) // 2
    lengths = [window["turn_count"] for window in found]
    assert [lengths.count(length) for length in range(2, count + 1)] == list(range(count - 1, 0, -1))
    assert len(set(spans(found))) == len(found)


def test_four_turns_give_three_and_two_and_one() -> None:
    assert spans(merged(gathered(session(4)))) == [(1, 2), (2, 3), (3, 4), (1, 3), (2, 4), (1, 4)]
    assert spans(merged(gathered(session(4)), min_turns=1, max_turns=2)) == [
        (1, 1), (2, 2), (3, 3), (4, 4), (1, 2), (2, 3), (3, 4),
    ]  # fmt: skip


RELATIONS = st.lists(
    st.builds(
        lambda pair, kind: relation(min(pair), max(pair), kind),
        st.tuples(st.integers(0, 8), st.integers(1, 8)).filter(lambda pair: pair[0] != pair[1]),
        st.sampled_from(KINDS),
    ),
    max_size=8,
)


@settings(max_examples=example_count(60), deadline=None)
@given(count=st.integers(2, 8), relations=RELATIONS)
def test_the_conflicts_of_a_window_are_those_of_its_pairs(count: int, relations: list[dict[str, Any]]) -> None:
    record = gathered(session(count))
    for window in merged(record, relations):
        first, last = window["first_turn"], window["first_turn"] + window["turn_count"] - 1
        numbers = range(first, last + 1)
        pairs = [each for each in relations if each["first"] in numbers and each["second"] in numbers]
        needed = ("dangling", "standing_order")
        inside = [each for each in pairs if each["kind"] not in needed]
        reaching = [
            each
            for each in relations
            if each["second"] in numbers and each["first"] < first and (each["kind"] in needed or not each["first"])
        ]
        assert [each for each in window["conflicts"] if each in inside] == [
            each for each in relations if each in inside
        ]
        assert all(each in inside or each in reaching for each in window["conflicts"])
        assert len(window["conflicts"]) == sum(each in inside or each in reaching for each in relations)


@settings(max_examples=example_count(40), deadline=None)
@given(relations=RELATIONS, kinds=st.sets(st.sampled_from(KINDS)))
def test_the_listed_kinds_reject_and_no_others(relations: list[dict[str, Any]], kinds: set[str]) -> None:
    stage = FilterConflicts(FilterConflicts.Config(kinds=tuple(kinds)))
    [found] = stage.process([Record("a", {"conflicts": relations})])
    hit = [each["kind"] for each in relations if each["kind"] in kinds]
    assert (found.reason if isinstance(found, Reject) else None) == min(hit, key=KINDS.index, default=None)


def test_a_cap_takes_clean_windows_first_and_draws_by_the_records_id() -> None:
    record = gathered(session(5))
    relations = [relation(1, 2), relation(2, 3)]
    found = merged(record, relations, max_windows=3)
    clean = [window for window in merged(record, relations) if not window["conflicts"]]
    assert spans(found) == spans(clean)[:3] == [(3, 4), (4, 5), (3, 5)]
    assert len(merged(record, relations, max_windows=1)) == 1
    many = [spans(merged(Record(f"r{n}", dict(record)), max_windows=1)) for n in range(12)]
    assert len({str(each) for each in many}) > 1
    assert many == [spans(merged(Record(f"r{n}", dict(record)), max_windows=1)) for n in range(12)]


def test_a_window_has_all_that_a_sample_needs() -> None:
    drawn, texts = clean_session()
    states = [Image.of(picture) for picture in drawn]
    records = [
        turn(number, states[number - 1], states[number], text=text, box=tuple(map(float, box)))
        for number, (text, box) in enumerate(zip(texts, BOXES, strict=True), 1)
    ]
    window = merged(gathered(records))[-1]
    assert window["text"] == "Add a red ball at the left. Insert a green square. Draw a yellow ball at the bottom."
    assert [edit["mask"] for edit in window["edits"]] == ["mask_1.png", "mask_2.png", "mask_3.png"]
    assert [step["image"] for step in window["steps"]] == ["turn_0", "turn_1", "target"]
    assert [(int(mask.sum()), mask.shape) for mask in window["masks"][1:]] == [
        ((box[2] - box[0]) * (box[3] - box[1]), (72, 96)) for box in BOXES
    ]
    assert (window["masks"][0] == np.logical_or.reduce(window["masks"][1:])).all()


def test_an_order_for_later_turns_leaves_a_turn_its_box() -> None:
    states = [Image.of(state) for state in clean_session()[0]]
    local, order, whole = (
        {"op": op, "object": "", "renamed_to": "", "refers_to": [], "count": 1, "cues": cues}
        for op, cues in (("add", []), ("global", ["standing"]), ("global", []))
    )
    records = [
        turn(number, states[number - 1], states[number], parts=parts, box=tuple(map(float, LEFT)))
        for number, parts in enumerate(([local, order], [local, whole]), 1)
    ]
    masks = merged(gathered(records))[-1]["masks"]
    assert (int(masks[1].sum()), bool(masks[2].all())) == ((LEFT[2] - LEFT[0]) * (LEFT[3] - LEFT[1]), True)


def test_a_sample_has_the_candidates_that_were_scored() -> None:
    states = [Image.of(state) for state in clean_session()[0]]
    terms = [{"box": [1.0, 2.0, 30.0, 40.0], "score": 0.5}, {"box": None, "score": None}]
    records = [turn(number, states[number - 1], states[number], box_terms=terms) for number in (1, 2)]
    assert merged(gathered(records))[0]["edits"][1]["candidates"] == terms[:1]


# Pasting back


def pasted(source: Any, targets: Sequence[Any], boxes: Sequence[Any], **options: Any) -> Any:
    masks = [np.zeros(source.shape[:2], bool) for _ in boxes]
    for mask, box in zip(masks, boxes, strict=True):
        mask[box[1] : box[3], box[0] : box[2]] = True
    images = [Image.of(target) for target in targets]
    fields = {
        **{"source": Image.of(source), "raw_target": images[-1], "raw_turns": images[:-1]},
        "masks": [np.logical_or.reduce(masks), *masks],
        "edits": options.pop("edits", [{"op": "add"} for _ in boxes]),
        **options.pop("fields", {}),
    }
    return PasteBack(PasteBack.Config(**options)).process([Record("a", fields)])[0]


@settings(max_examples=example_count(40), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    edges=st.tuples(st.integers(0, 20), st.integers(0, 15), st.integers(1, 12), st.integers(1, 12)),
    grow=st.integers(0, 6),
    feather=st.integers(0, 6),
)
def test_the_region_is_untouched_and_all_else_is_the_source(
    seed: int, edges: tuple[int, int, int, int], grow: int, feather: int
) -> None:
    rng = np.random.default_rng(seed)
    source, target = (rng.integers(0, 256, (30, 40, 3), np.uint8) for _ in range(2))
    x, y, width, height = edges
    box = (x, y, x + width, y + height)
    found = pasted(source, [target], [box], grow_px=grow, feather_px=feather)["target"].array
    assert (found[y : y + height, x : x + width] == target[y : y + height, x : x + width]).all()
    away = np.ones((30, 40), bool)
    far = grow + feather + 1
    away[max(0, y - far) : y + height + far, max(0, x - far) : x + width + far] = False
    assert (found[away] == source[away]).all()
    low, high = np.minimum(source, target), np.maximum(source, target)
    assert ((found >= low) & (found <= high)).all()


def test_what_lay_outside_is_measured_before_it_is_pasted() -> None:
    source = ground()
    edited = ball(source, LEFT, "red")
    damaged = np.asarray((edited.astype(int) + 5).clip(0, 255), np.uint8)
    clean, worn = (pasted(source, [target], [LEFT], grow_px=2) for target in (edited, damaged))
    assert clean["pasted_l1"] == 0
    assert clean["target"] == Image.of(edited)
    assert worn["pasted_l1"] == pytest.approx(5 / 255, abs=1e-3)
    rows, columns = slice(LEFT[1], LEFT[3]), slice(LEFT[0], LEFT[2])
    assert (worn["target"].array[rows, columns] == damaged[rows, columns]).all()
    assert (worn["target"].array[:, 60:] == source[:, 60:]).all()


def test_a_drift_of_colours_is_taken_out_of_the_regions() -> None:
    source = ground()
    edited = ball(source, LEFT, "red")
    drifted = np.rint(edited * np.array([1.1, 0.9, 1.0]) + np.array([-4.0, 9.0, 6.0])).clip(0, 255).astype(np.uint8)
    remaining, fitted = (
        pasted(source, [drifted], [LEFT], colours=colours)["target"].array.astype(int) for colours in ("kept", "fitted")
    )
    assert np.abs(remaining - edited).max() > 10
    assert np.abs(fitted - edited)[~(edited == 255).any(2)].max() <= 6
    assert pasted(source, [edited], [LEFT], colours="fitted")["target"] == Image.of(edited)


def test_pictures_between_keep_the_regions_of_the_turns_up_to_them() -> None:
    source = ground()
    one = ball(source, LEFT, "red")
    two = square(one, RIGHT, "green")
    worn = [brighter(one), brighter(two)]
    found = pasted(source, worn, [LEFT, RIGHT], grow_px=0)
    between, last = found["turns"][0].array, found["target"].array
    assert (between[:, 50:] == source[:, 50:]).all(), "the second edit has not been made yet"
    assert (last[12:40, 58:86] == worn[1][12:40, 58:86]).all()
    assert (last[60:, :25] == source[60:, :25]).all()


def test_a_global_edit_keeps_the_target_as_it_is() -> None:
    source = ground()
    one, two = ball(source, LEFT, "red"), brighter(ball(source, LEFT, "red"))
    edits = [{"op": "add"}, {"op": "global"}]
    found = pasted(source, [one, two], [LEFT, (0, 0, 96, 72)], edits=edits)
    assert (found["target"], found["pasted_l1"]) == (Image.of(two), 0)


RESTORED = {"strays": "restored", "grow_px": 2, "feather_px": 2}


def pasted_sessions(
    source: Any, states: Sequence[Any], boxes: Sequence[Any], ops: Sequence[str], **options: Any
) -> Any:
    """As `pasted`, with what the turns' words say."""
    rows = [{"turn": number, "parts": [{**PART, "op": op}]} for number, op in enumerate(ops, 3)]
    edits = [{"op": op} for op in ops]
    return pasted(
        source, states, boxes, edits=edits, fields={"session_turns": rows, "first_turn": 3}, **{**RESTORED, **options}
    )


def test_what_a_turn_changed_elsewhere_is_taken_out_of_the_regions_of_others() -> None:
    source = ground()
    place = (60, 50, 72, 62)
    one = square(ball(source, LEFT, "red"), place, "yellow")
    two = ball(one, RIGHT, "green")
    wide = (46, 8, 92, 66)  # the second turn's box is too large, and around what the first one left
    with_stray, restored = (
        pasted_sessions(source, [one, two], [LEFT, wide], ["add", "add"], strays=strays)["target"].array
        for strays in ("kept", "restored")
    )
    inside = np.s_[place[1] : place[3], place[0] : place[2]]
    assert (with_stray[inside] == (235, 210, 30)).all()
    assert (restored[inside] == source[inside]).all()
    clean = ball(ball(source, LEFT, "red"), RIGHT, "green")
    assert (np.abs(restored.astype(int) - clean) <= 1).mean() > 0.995, "and both edits are still there"


def test_a_later_turn_never_changes_the_region_of_an_earlier_one() -> None:
    source = ground()
    one = ball(source, LEFT, "red")
    two = square(ball(one, RIGHT, "green"), (10, 12, 18, 20), "yellow")
    found = pasted(source, [one, two], [LEFT, RIGHT], grow_px=0)["target"].array
    assert (found[12:20, 10:18] == one[12:20, 10:18]).all()


def test_what_cannot_be_taken_out_rejects_the_window() -> None:
    source = ground()
    one = square(ball(source, LEFT, "red"), (60, 12, 66, 60), "yellow")
    two = ball(one, RIGHT, "green")
    found = pasted_sessions(source, [one, two], [LEFT, RIGHT], ["add", "add"])
    assert isinstance(found, Reject)
    assert (found.reason, found.detail) == ("stray", "a turn edits a part of what an earlier one changed elsewhere")
    almost = square(ball(source, LEFT, "red"), (50, 21, 61, 31), "yellow")  # a sliver of it would be left
    assert isinstance(
        pasted_sessions(source, [almost, ball(almost, RIGHT, "green")], [LEFT, RIGHT], ["add"] * 2), Reject
    )
    hidden = square(ball(source, LEFT, "red"), (66, 20, 76, 30), "yellow")
    found = pasted_sessions(source, [hidden, ball(hidden, RIGHT, "green")], [LEFT, RIGHT], ["add", "add"])
    assert (found["target"].array[20:30, 66:76] == (20, 170, 60)).all(), "what an edit covers is no fault"


def test_a_change_of_tone_is_made_to_what_is_restored_as_well() -> None:
    source = ground()
    place = (60, 50, 72, 62)
    inside = np.s_[place[1] : place[3], place[0] : place[2]]
    one = square(ball(source, LEFT, "red"), place, "yellow")
    frame = (0, 0, 96, 72)
    found = pasted_sessions(source, [one, brighter(one)], [LEFT, frame], ["add", "global"])["target"].array
    assert np.abs(found[inside].astype(int) - brighter(source)[inside]).max() <= 3
    striped = np.where((np.arange(96) // 4 % 2 == 0)[:, None], one, one // 3)
    rejected = pasted_sessions(source, [one, striped], [LEFT, frame], ["add", "global"])
    assert isinstance(rejected, Reject)
    assert rejected.detail == "a turn changes the whole picture, and what was changed elsewhere"


@pytest.mark.parametrize(
    "change", [brighter, lambda picture: tone(picture, "greyscale"), lambda picture: picture[:, ::-1]]
)
def test_what_a_global_edit_changed_besides_is_taken_out(change: Any) -> None:
    source = ball(ground(), LEFT, "red")
    place = (40, 50, 52, 62)
    wanted = np.ascontiguousarray(change(source))
    two = square(wanted, place, "blue")
    frame = (0, 0, 96, 72)
    [left, taken_out] = (
        pasted_sessions(source, [two], [frame], ["global"], strays=strays)["target"].array
        for strays in ("kept", "restored")
    )
    assert (left == two).all()
    assert np.abs(taken_out.astype(int) - wanted).max() <= 8


def test_an_order_for_later_turns_is_no_edit_of_the_whole_picture() -> None:
    source = ground()
    edited, order = square(ball(source, LEFT, "red"), (60, 50, 72, 62), "yellow"), {**PART, "op": "global"}
    for cues, whole in (([], True), (["standing"], False)):
        rows = [{"turn": 0, "parts": [{**order, "cues": cues}]}]
        fields = {"session_turns": rows, "first_turn": 0}
        found = pasted(source, [edited], [LEFT], edits=[{"op": "global"}], fields=fields)["target"].array
        assert (found[52:60, 62:70] == (edited if whole else source)[52:60, 62:70]).all()
        assert (found[16:28, 14:28] == edited[16:28, 14:28]).all()


def test_a_move_has_no_region_between_its_places() -> None:
    source = ball(ground(), LEFT, "red")
    moved = ball(ground(), RIGHT, "red")
    moved[40:60, 40:50] = np.asarray((moved[40:60, 40:50].astype(int) + 6), np.uint8)
    box = (LEFT[0], LEFT[1], RIGHT[2], 66)
    found = pasted_sessions(source, [moved], [box], ["move"])["target"].array
    assert (found[42:58, 42:48] == source[42:58, 42:48]).all()
    assert (found[20:30, 66:76] == (220, 30, 30)).all()
    assert (found[20:30, 16:26] == ground()[20:30, 16:26]).all()


def test_pictures_of_different_sizes_fail() -> None:
    found = pasted(ground(), [ground()[:40]], [LEFT])
    assert found == Failed("the pictures and masks differ in size: [(96, 40), (96, 72)]")


# Joining


def joined(edits: Sequence[tuple[str, str]], **options: Any) -> Any:
    async def run() -> Any:
        stage = JoinInstructions(JoinInstructions.Config.model_validate(options))
        stage.setup("cpu")
        try:
            rows = [{"instruction": text, "object": name} for text, name in edits]
            return await stage.process_one(Record("a", {"edits": rows}))
        finally:
            await stage.close()

    return asyncio.run(run())


def test_instructions_are_joined_with_one_placeholder() -> None:
    edits = [("add a hat,", "hat"), ("Remove the dog!", "dog")]
    assert joined(edits) == {"instruction": f"In {PLACEHOLDER}: Add a hat. Remove the dog!"}
    mentioned = [("add a hat to the image", "hat"), ("remove the dog", "dog")]
    assert joined(mentioned) == {"instruction": f"Add a hat to {PLACEHOLDER}. Remove the dog."}
    assert joined([(f"put it on {PLACEHOLDER}", "")]).reason == "has_placeholder"
    with pytest.raises(ValueError, match="has to have one <imagehere>"):
        JoinInstructions.Config(source_phrase="In the picture: ")


def test_a_model_that_joins_may_leave_no_object_out() -> None:
    edits = [("add two hats", "hat"), ("remove the dog </data>", "dog")]
    with chatting() as chat:
        model = {"kind": "openai", "model": "m", "base_url": chat.address, "api_key_env": "", "retries": 0}
        joiner = {"kind": "language", "model": model}
        chat.does(says({"instruction": "Put two hats on and take the dog away."}))
        assert joined(edits, joiner=joiner)["instruction"].endswith("Put two hats on and take the dog away.")
        assert "<data>remove the dog &lt;/data&gt;</data>" in str(chat.requests[0]["messages"])
        chat.does(says({"instruction": "Put two hats on."}))
        assert joined([*edits, ("x", "cat")], joiner=joiner).reason == "left_out"
