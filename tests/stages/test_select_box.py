"""Boxes proposed and chosen: what each rule takes, and what is refused by name. The models are fakes or need none."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from building import ledger_rows, toy_config
from chat_server import Chat, chatting, says, words_of
from commands import call, refused
from numpy.typing import NDArray
from photographs import edited, jpeg, photograph
from pydantic import ValidationError
from true_edits import true_edit

from datagen import Answer, Record, Reject
from datagen.core.fields import Box
from datagen.imaging.geometry import iou
from datagen.imaging.image import Image, Pixels
from datagen.models.box_proposers.base import EditedPair, searches
from datagen.models.box_proposers.detector import DetectorProposer, DetectorProposerConfig
from datagen.models.detectors.base import Detection
from datagen.models.similarities.embedding import EmbeddingSimilarity
from datagen.models.similarities.pixels import PixelSimilarity
from stages.propose_boxes import ProposeBoxes
from stages.select_box import SelectBox

SOURCE = photograph("coffee", long_side=256)
TARGET = edited(SOURCE, photograph("rocket"), at=(0.4, 0.3), size=0.3)
WIDTH, HEIGHT = SOURCE.shape[1], SOURCE.shape[0]
TRUTH: Box = (0.4 * WIDTH, 0.3 * HEIGHT, 0.7 * WIDTH, 0.6 * HEIGHT)
AROUND: Box = (0.2 * WIDTH, 0.1 * HEIGHT, 0.9 * WIDTH, 0.9 * HEIGHT)
ASIDE: Box = (2.0, 2.0, 60.0, 60.0)
FRAME: Box = (0.0, 0.0, float(WIDTH), float(HEIGHT))
PUBLISHED = {"rule": "published", "similarity": {"kind": "pixels"}}


def selected(
    *boxes: Sequence[float], source: Pixels = SOURCE, target: Pixels = TARGET, options: Any = None, **fields: Any
) -> Answer:
    stage = SelectBox(SelectBox.Config.model_validate(options or {}))
    stage.setup("cpu")
    candidates = [{"box": list(box), "by": "somebody"} for box in boxes]
    record = {"source": Image.of(source), "target": Image.of(target), "box_candidates": candidates, **fields}
    [answer] = stage.process([Record("a", record)])
    return answer


def proposed(*, source: Pixels = SOURCE, target: Pixels = TARGET, options: Any = None, **fields: Any) -> list[Any]:
    stage = ProposeBoxes(ProposeBoxes.Config.model_validate(options or {}))

    async def run() -> Answer:
        stage.setup("cpu")
        try:
            return await stage.process_one(
                Record("a", {"source": Image.of(source), "target": Image.of(target), **fields})
            )
        finally:
            await stage.close()

    answer = asyncio.run(run())
    assert isinstance(answer, dict)
    return list(answer["box_candidates"])


# Choosing


def part(op: str, *, count: int = 1, cues: Sequence[str] = ()) -> dict[str, Any]:
    return {"op": op, "object": "cup", "renamed_to": "", "refers_to": [], "count": count, "cues": list(cues)}


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([part("move")], True),
        ([part("undo")], True),
        ([part("add"), part("add")], True),
        ([part("remove", count=0)], True),
        ([part("add")], False),
        ([part("add"), part("change", cues=["standing"])], False),
        (None, False),
    ],
    ids=["move", "undo", "two", "several", "one", "order", "unknown"],
)
def test_an_edit_of_several_places_gets_the_box_around_them(parts: Any, whole: bool) -> None:
    things = photograph("rocket")
    target = edited(edited(SOURCE, things, at=(0.1, 0.1), size=0.2), things, at=(0.6, 0.6), size=0.25)
    one, two = (
        (x * WIDTH, x * HEIGHT, (x + size) * WIDTH, (x + size) * HEIGHT) for x, size in ((0.1, 0.2), (0.6, 0.25))
    )
    fields = {} if parts is None else {"parts": parts}
    answer = selected(one, two, AROUND, target=target, options={"max_rival": 1}, **fields)
    assert isinstance(answer, dict)
    assert answer["box"] == pytest.approx((*one[:2], *two[2:]) if whole else answer["box"])
    assert (answer["box"] in (pytest.approx(one), pytest.approx(two))) == (not whole)


def test_each_place_of_a_move_gets_its_own_box() -> None:
    things = photograph("rocket")
    target = edited(edited(SOURCE, things, at=(0.1, 0.4), size=0.2), things, at=(0.7, 0.4), size=0.2)
    one, two = ((x * WIDTH, 0.4 * HEIGHT, (x + 0.2) * WIDTH, 0.6 * HEIGHT) for x in (0.1, 0.7))
    strip = (one[0] + 4, one[1] + 10, two[2] - 4, two[3] - 10)  # around both, without their upper and lower ends
    answer = selected(strip, one, two, target=target, parts=[part("move")])
    assert isinstance(answer, dict)
    assert answer["box"] == pytest.approx((*one[:2], *two[2:]))


def test_what_changed_elsewhere_does_not_widen_the_box() -> None:
    stray = edited(TARGET, photograph("rocket"), at=(0.75, 0.45), size=0.12)
    around = (TRUTH[0], TRUTH[1], 0.87 * WIDTH, TRUTH[3])
    for options in ({}, {"max_rival": 0.3}):
        answer = selected(around, TRUTH, target=stray, options=options, parts=[part("remove")])
        assert isinstance(answer, dict)
        assert answer["box"] == pytest.approx(TRUTH)
    answer = selected(around, TRUTH, target=stray, options={"max_rival": 0.05})
    assert isinstance(answer, Reject)
    assert answer.reason == "unsure"


def test_of_two_places_that_changed_as_much_none_is_chosen() -> None:
    twice = edited(TARGET, photograph("rocket"), at=(0.02, 0.02), size=0.28)
    rejected = selected(TRUTH, target=twice, parts=[part("add")])
    assert isinstance(rejected, Reject)
    assert (rejected.reason, rejected.detail[:21]) == ("unsure", "another place changed")
    assert isinstance(selected(TRUTH, target=twice, parts=[part("add"), part("add")]), dict)
    published = selected(TRUTH, target=twice, options=PUBLISHED, parts=[part("add")])
    assert isinstance(published, dict), "equation 1 knows nothing of it"


def test_the_maps_own_box_leaves_out_what_changed_elsewhere() -> None:
    stray = edited(TARGET, photograph("rocket"), at=(0.75, 0.45), size=0.12)
    candidates = proposed(target=stray)
    assert iou(tuple(candidates[-1]["box"]), TRUTH) < 0.8
    record = {"source": Image.of(SOURCE), "target": Image.of(stray), "box_candidates": candidates[-1:]}
    stage = SelectBox(SelectBox.Config())
    stage.setup("cpu")
    [answer] = stage.process([Record("a", record)])
    assert isinstance(answer, dict)
    assert [row["by"] for row in answer["box_terms"]] == ["change_map", "change_map"]
    assert iou(answer["box"], TRUTH) > 0.8


def test_a_box_that_is_not_sure_rejects_an_edit_of_one_place() -> None:
    surely = {"min_score": 0.7}
    assert isinstance(selected(TRUTH, options=surely), dict)
    answer = selected(AROUND, options=surely)
    assert isinstance(answer, Reject)
    assert (answer.reason, answer.fields["box_terms"][0]["score"] < 0.7) == ("unsure", True)
    assert isinstance(selected(AROUND, options=surely, parts=[part("move")]), dict)


def test_a_move_that_changes_one_place_gets_its_box() -> None:
    assert selected(TRUTH, ASIDE, parts=[part("move")])["box"] == pytest.approx(TRUTH)  # type: ignore[index]


def test_the_corrected_rule_takes_the_box_of_the_edit_and_writes_down_why() -> None:
    answer = selected(FRAME, AROUND, TRUTH, ASIDE, op="add")
    assert isinstance(answer, dict)
    assert answer["box"] == TRUTH
    frame, around, truth, aside = answer["box_terms"]
    assert frame == {**dict.fromkeys(truth), "box": list(FRAME), "by": "somebody", "fault": "too_large"}
    assert answer["box_score"] == truth["corrected"] > around["corrected"] > aside["corrected"]
    assert truth["recall"] == pytest.approx(1, abs=0.1)
    assert around["recall"] >= truth["recall"]
    assert around["precision"] < truth["precision"]
    assert aside["agree"] < truth["agree"]
    assert truth["published"] is None, "nothing compared masked pictures"


def test_the_published_rule_takes_the_frame_unless_it_is_barred() -> None:
    damaged = jpeg(TARGET, 70)
    answer = selected(TRUTH, FRAME, AROUND, ASIDE, target=damaged, options=PUBLISHED)
    assert isinstance(answer, Reject)
    assert answer.reason == "too_large"
    published = [row["published"] for row in answer.fields["box_terms"]]
    assert published[1] == 1.0, "two black pictures"
    assert max(published[0], *published[2:]) < 1
    answer = selected(TRUTH, FRAME, AROUND, ASIDE, target=damaged, options={**PUBLISHED, "largest_share": 0.9})
    assert isinstance(answer, dict)
    assert answer["box"] == AROUND, "of what is left, what covers the most of the noise"
    assert answer["box_score"] == answer["box_terms"][2]["published"]
    assert answer["box_terms"][1]["fault"] == "too_large"
    corrected = selected(TRUTH, FRAME, AROUND, ASIDE, target=damaged)
    assert isinstance(corrected, dict)
    assert corrected["box"] == TRUTH


def test_equal_scores_go_to_the_smaller_box() -> None:
    """Undamaged, the pictures around every box that holds the edit are equal: 1 for each."""
    grown = tuple(edge + by for edge, by in zip(TRUTH, (-2, -2, 2, 2), strict=True))
    answer = selected(AROUND, grown, options={**PUBLISHED, "largest_share": 0.9})
    assert isinstance(answer, dict)
    assert answer["box"] == grown
    assert [row["published"] for row in answer["box_terms"]] == [1.0, 1.0]


def test_masked_pictures_of_a_turn_are_embedded_in_one_call() -> None:
    class Embedder:
        def __init__(self) -> None:
            self.calls: list[int] = []

        def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            self.calls.append(len(images))
            rows = np.stack([image.mean((0, 1)) + 1 for image in images]).astype(np.float32)
            return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    stage, embedder = SelectBox(SelectBox.Config.model_validate(PUBLISHED)), Embedder()
    stage.setup("cpu")
    stage.similarity = EmbeddingSimilarity(embedder)
    candidates = [{"box": list(box), "by": "x"} for box in (TRUTH, ASIDE, AROUND)]
    fields = {"source": Image.of(SOURCE), "target": Image.of(TARGET), "box_candidates": candidates}
    [answer] = stage.process([Record("a", fields)])
    assert embedder.calls == [6]
    assert isinstance(answer, dict)
    assert all(-1 <= row["published"] <= 1 + 1e-6 for row in answer["box_terms"])
    assert EmbeddingSimilarity(embedder)([], []) == []


def test_pictures_of_two_sizes_are_compared() -> None:
    large = cv2.resize(TARGET, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    for options in ({}, {**PUBLISHED, "largest_share": 0.6, "similarity": {"kind": "pixels"}}):
        answer = selected(ASIDE, TRUTH, target=large, options=options)
        assert isinstance(answer, dict)
        assert answer["box"] == TRUTH
    assert PixelSimilarity()([SOURCE], [cv2.resize(SOURCE, (50, 40))])[0] > 0.9


@pytest.mark.parametrize(
    ("boxes", "reason", "detail"),
    [
        ((), "no_box", "there are none"),
        (((5.0, 5.0, 5.0, 9.0), (9.0, 5.0, 1.0, 9.0)), "no_box", "empty, inverted"),
        (((math.nan, 0.0, 5.0, 5.0), (3.0, 3.0, 4.0, 4.0)), "no_box", "not_finite, too_small"),
        (((-50.0, 0.0, -1.0, 5.0), (300.0, 0.0, 400.0, 50.0)), "no_box", "outside"),
        ((FRAME,), "too_large", "too_large"),
        (((-9.0, -9.0, 999.0, 999.0), (1.0, 1.0, 1.0, 1.0)), "too_large", "empty, too_large"),
    ],
)
@pytest.mark.parametrize("options", [{}, {**PUBLISHED, "largest_share": 0.9}])
def test_candidates_that_are_all_at_fault_are_rejected_by_name(
    boxes: tuple[Box, ...], reason: str, detail: str, options: Any
) -> None:
    answer = selected(*boxes, options=options)
    assert isinstance(answer, Reject)
    assert answer.reason == reason
    assert answer.detail.endswith(detail)
    assert len(answer.fields["box_terms"]) == len(boxes)


def test_faulty_candidates_do_not_stop_a_sound_one() -> None:
    answer = selected((math.nan, 0, 1, 1), (5, 5, 5, 5), TRUTH, (900, 900, 999, 999))
    assert isinstance(answer, dict)
    assert answer["box"] == TRUTH
    assert [row["fault"] for row in answer["box_terms"]] == ["not_finite", "empty", "", "outside"]
    assert answer["box_terms"][0]["box"] is None


def test_a_box_that_reaches_beyond_the_frame_is_cut() -> None:
    target = edited(SOURCE, photograph("rocket"), at=(0, 0), size=0.4)
    answer = selected((-30.0, -20.0, 0.4 * WIDTH, 0.4 * HEIGHT), target=target)
    assert isinstance(answer, dict)
    assert answer["box"] == (0, 0, 0.4 * WIDTH, 0.4 * HEIGHT)


@pytest.mark.parametrize("fields", [{"op": "global"}, {"op": "unknown", "scope": "global"}, {"scope": "global"}])
def test_the_box_of_a_global_edit_is_the_frame_unscored(fields: dict[str, str]) -> None:
    darker = (SOURCE * 0.8).astype(np.uint8)
    assert selected(TRUTH, target=darker, **fields) == {"box": FRAME, "box_score": 0.0, "box_terms": []}
    assert proposed(target=darker, **fields) == []


def test_an_order_for_later_turns_has_the_box_of_what_it_changed() -> None:
    order, whole = part("global", cues=["standing"]), part("global")
    candidates = proposed(op="global", parts=[order])
    assert candidates
    answer = selected(TRUTH, FRAME, op="global", parts=[order])
    assert isinstance(answer, dict)
    assert answer["box"] == TRUTH
    assert selected(TRUTH, op="global", parts=[order, whole])["box"] == FRAME  # type: ignore[index]
    assert proposed(op="global", parts=[order, whole]) == []


@pytest.mark.parametrize("fields", [{"op": "global"}, {"op": "add"}, {"op": "add", "scope": "global"}])
def test_a_pair_without_a_change_is_rejected(fields: dict[str, str]) -> None:
    for target in (SOURCE, jpeg(SOURCE, 92)):
        answer = selected(TRUTH, target=target, **fields)
        assert isinstance(answer, Reject)
        assert answer.reason == "unchanged"
    if fields["op"] == "add":
        darker = selected(TRUTH, target=(SOURCE * 0.9).astype(np.uint8), **fields)
        assert isinstance(darker, Reject), "a drift of colour adds nothing, whatever the scope of the words says"


# Proposing


def test_parts_of_the_change_are_proposed_and_the_maps_own_box_is_told_apart() -> None:
    both = proposed()
    assert max(iou(one["box"], TRUTH) for one in both if one["by"] == "parts") > 0.75
    [own] = [one for one in both if one["by"] == "change_map"]
    assert iou(own["box"], TRUTH) > 0.75
    assert {one["by"] for one in proposed(options={"map_box": "left_out"})} == {"parts"}
    assert proposed(target=SOURCE) == []


def test_proposals_are_in_pixels_of_the_source() -> None:
    edit = true_edit(1, side=512)
    boxes = [one["box"] for one in proposed(source=edit.source, target=cv2.resize(edit.target, (300, 300)))]
    assert max(iou(box, edit.box) for box in boxes) > 0.7


@pytest.mark.parametrize(
    ("op", "renamed_to", "expected"),
    [
        ("add", "", [("target", "cup")]),
        ("remove", "", [("source", "cup")]),
        ("replace", "mug", [("source", "cup"), ("target", "mug")]),
        ("change", "", [("source", "cup"), ("target", "cup")]),
        ("move", "", [("source", "cup"), ("target", "cup")]),
        ("unknown", "", [("source", "cup"), ("target", "cup")]),
    ],
)
def test_the_operation_says_where_to_look(op: str, renamed_to: str, expected: list[tuple[str, str]]) -> None:
    picture = Image.of(SOURCE)
    assert searches(EditedPair(picture, picture, op, "cup", renamed_to)) == expected
    assert searches(EditedPair(picture, picture, op, " ", "")) == []


def test_a_detectors_boxes_of_both_sides_are_kept() -> None:
    class FakeDetector:
        def __call__(self, images: list[Any], phrases: list[Sequence[str]]) -> list[list[Detection]]:
            found = [
                Detection((10, 10, 30, 20), 0.9, "x"),
                Detection((11, 10, 30, 20), 0.8, "x"),
                Detection(ASIDE, 0.1, "x"),
            ]
            return [found for _ in images]

    config = DetectorProposerConfig.model_validate({"detector": {"kind": "grounding_dino"}, "min_score": 0.3})
    target = Image.of(cv2.resize(TARGET, None, fx=2, fy=2))
    pair = EditedPair(Image.of(SOURCE), target, "replace", "cup", "mug")
    found = asyncio.run(DetectorProposer(config, FakeDetector()).propose(pair, record="a"))
    assert [(one.box, one.by, one.side, one.score) for one in found] == [
        ((10, 10, 30, 20), "grounding_dino", "source", 0.9),
        ((5, 5, 15, 10), "grounding_dino", "target", 0.9),
    ]


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        server.does(says({"objects": [{"label": "mug", "box": [400, 300, 700, 600]}]}))
        yield server


def test_a_vision_language_model_is_asked_for_the_side_of_the_operation(chat: Chat) -> None:
    model = {"kind": "openai", "model": "m", "base_url": chat.address, "api_key_env": ""}
    options = {"proposer": {"kind": "grounder", "asker": {"model": model}}, "map_box": "left_out"}
    [found] = proposed(options=options, op="add", object="mug")
    assert found["box"] == pytest.approx(TRUTH, abs=0.01)
    assert (found["by"], found["side"], found["score"]) == ("m", "target", None)
    assert "<data>mug</data>" in words_of(chat.requests[0])
    assert len(chat.requests) == 1
    assert [one["side"] for one in proposed(options=options, op="change", object="cup")] == ["source", "target"]
    assert len(chat.requests) == 3
    assert proposed(options=options, op="change", object="") == [], "nobody is asked for nothing"


# In a config

STAGES: list[dict[str, Any]] = [
    {"use": "read_image", "id": "read_source", "map": {"image": "source"}},
    {
        "use": "read_image",
        "id": "read_target",
        "map": {
            "uri": "target_uri",
            "sha256": "target_sha256",
            "original_sha256": "target_original_sha256",
            "image": "target",
        },
    },
    {"use": "propose_boxes"},
    {"use": "select_box"},
    {"use": "add_placeholder"},
]


def _config(folder: Path, *, select: Any = None, propose: Any = None) -> Path:
    stages = [*STAGES[:2], {**STAGES[2], "with": propose or {}}, {**STAGES[3], "with": select or {}}, STAGES[4]]
    return toy_config(folder, stages, source={"kind": "pairs", "path": "manifests/pairs.jsonl"})


def test_boxes_are_chosen_in_a_run_and_their_terms_are_in_the_ledger(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = _config(tmp_path)
    assert call("check", config, capfd=capfd).code == 0
    done = call("run", config, "--engine", "local", "--out", tmp_path / "out", capfd=capfd)
    assert done.code == 0, done.err
    rows = ledger_rows(tmp_path / "out")
    fields = {id: json.loads(row["fields"]) for id, row in rows.items()}
    assert {row["status"] for row in rows.values()} == {"accepted", "rejected"}
    for id, row in rows.items():
        assert bool(fields[id].get("box_terms")) == (row["reason"] != "unchanged"), id
    assert iou(fields["galaxy"]["box"], fields["galaxy"]["box_terms"][0]["box"]) > 0


def test_wrong_options_are_told_by_check(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cases = (
        ({"rule": "published"}, None, "rule 'published' compares masked pictures: give `similarity`"),
        ({"map": "both"}, None, "map 'both' needs an `encoder`"),
        ({"encoder": {"kind": "efficientnet_lite0"}}, None, "map 'pixels' uses no `encoder`: leave it out"),
        ({"largest_share": 0}, None, "largest_share"),
        (
            None,
            {"proposer": {"kind": "detector", "detector": {"kind": "grounding_dino"}}},
            "'proposer.detector.min_score' is missing",
        ),
        (None, {"map_box": "yes"}, "map_box"),
        (
            None,
            {"proposer": {"kind": "detector", "detector": {"kind": "grounding_dino"}, "min_score": 0.3}},
            "reads 'op', but nothing before it writes 'op'",
        ),
    )
    for select, propose, expected in cases:
        assert expected in refused("check", _config(tmp_path, select=select, propose=propose), capfd=capfd)
    with pytest.raises(ValidationError):
        SelectBox.Config.model_validate({"map": "everything"})
