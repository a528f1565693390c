"""Plans that are painted: each picture is made of the one before, and what a model declines ends its plan alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from datagen import Failed, Record, Reject
from datagen.imaging.image import Image
from datagen.models.generated import Declined
from stages.paint_plan import PaintPlan

WORDS = ("red", "blue", "green", "white", "black")
MODELS = {"generator": {"weights": "./none"}, "editor": {"kind": "diffusers", "weights": "./none"}}


class Painter:
    """A generator and an editor: a picture has a row of pixels for each thing that was said, and its seed."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def _row(self, text: str, seed: int) -> Any:
        if text == "nude":
            return Declined("unsafe", "the checker objects")
        if text == "gibberish":
            return Declined("not_understood", "no rule")
        return np.array([[[len(text), ord(text[0]), seed % 251]] * 4], np.uint8)

    def generate(self, captions: list[str], *, seeds: list[int]) -> list[Any]:
        self.calls.append(captions)
        return [self._row(text, seed) for text, seed in zip(captions, seeds, strict=True)]

    def edit(self, images: list[NDArray[np.uint8]], texts: list[str], *, seeds: list[int]) -> list[Any]:
        self.calls.append(texts)
        rows = [self._row(text, seed) for text, seed in zip(texts, seeds, strict=True)]
        return [
            row if isinstance(row, Declined) else np.concatenate([image, row])
            for image, row in zip(images, rows, strict=True)
        ]


def plan(*texts: str, id: str = "a", described: str = "") -> Record:
    steps = [
        {"instruction": text, "description": described if number == 0 else "x"} for number, text in enumerate(texts)
    ]
    return Record(id, {"steps": steps})


def painted(*records: Record) -> tuple[list[Any], list[list[str]]]:
    """The answers, and what the models were called with."""
    stage, painter = PaintPlan(PaintPlan.Config.model_validate(MODELS)), Painter()
    stage.generator, stage.editor = painter.generate, painter.edit
    return stage.process(list(records)), painter.calls


def rows(image: Image) -> list[str]:
    return [f"{chr(first)}{length}" for length, first, _ in image.array[:, 0].tolist()]


def test_each_picture_is_made_of_the_one_before() -> None:
    [found], calls = painted(plan("red", "blue", "green", described="a red sky"))
    assert calls == [["a red sky"], ["blue"], ["green"]]
    assert [rows(image) for image in (*found["turns"], found["target"])] == [
        ["a9"],
        ["a9", "b4"],
        ["a9", "b4", "g5"],
    ]


def test_the_first_picture_is_made_of_the_instruction_where_nothing_is_described() -> None:
    [found], calls = painted(plan("red"))
    assert calls == [["red"]]
    assert found["turns"] == []
    assert rows(found["target"]) == ["r3"]


def test_plans_of_all_lengths_are_painted_side_by_side_and_as_they_are_alone() -> None:
    records = [plan(*WORDS[:count], id=f"r{count}") for count in (3, 1, 5, 2)]
    together, calls = painted(*records)
    assert [len(call) for call in calls] == [4, 3, 2, 1, 1]
    assert together == [painted(record)[0][0] for record in records]
    seeds = {int(image.array[-1, 0, 2]) for image in (*together[2]["turns"], together[2]["target"])}
    assert len(seeds) > 1, "each step has a seed of its own"
    assert together[0]["turns"][0] != together[2]["turns"][0], "and each record"


@pytest.mark.parametrize(
    ("texts", "reason", "calls"),
    [
        (("nude", "blue", "green"), Reject("unsafe", "step 1: the checker objects"), 2),
        (("red", "nude", "green"), Reject("unsafe", "step 2: the checker objects"), 3),
        (("red", "blue", "gibberish"), Reject("not_understood", "step 3: no rule"), 4),
    ],
)
def test_a_declined_picture_ends_its_plan_alone(texts: tuple[str, ...], reason: Reject, calls: int) -> None:
    sound = plan("red", "blue", id="b")
    found, seen = painted(plan(*texts), sound)
    assert found[0] == reason
    assert found[1] == painted(sound)[0][0]
    assert sum(map(len, seen)) == calls - 1 + 2, "no picture is made after it"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "the plan has no steps"),
        ([{"instruction": " "}], "step 1 of the plan says nothing"),
        ([{"instruction": "red"}, {"instruction": None}], "step 2 of the plan says nothing; it needs an instruction"),
        ([{"instruction": "red"}, {"instruction": "as <imagehere>"}], "step 2 of the plan has <imagehere>"),
    ],
)
def test_a_plan_that_cannot_be_painted_fails_before_anything_is_made(steps: list[Any], message: str) -> None:
    sound = plan("red", "blue", id="b")
    found, calls = painted(Record("a", {"steps": steps}), sound)
    assert isinstance(found[0], Failed)
    assert message in found[0].error
    assert found[1] == painted(sound)[0][0]
    assert sum(map(len, calls)) == 2


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


def loaded(generator: dict[str, Any], editor: dict[str, Any]) -> PaintPlan:
    two = {"arguments": {"num_inference_steps": 2}}
    config = {
        "generator": {**two, "width": 80, "height": 64, **generator},
        "editor": {"kind": "diffusers", **two, "pixels": None, **editor},
    }
    stage = PaintPlan(PaintPlan.Config.model_validate(config), seed=3)
    stage.setup("cpu")
    return stage


@pytest.mark.torch
def test_real_pipelines_paint_a_plan(weights: Path) -> None:
    import tiny_pipelines as tiny

    stage = loaded({"weights": str(tiny.text_to_image(weights))}, {"weights": str(tiny.instruct_pix2pix(weights))})
    records = [plan("red", "blue", "green"), plan("red", id="b")]
    first, second = stage.process(records)
    images = [*first["turns"], first["target"], second["target"]]
    assert {image.size for image in images} == {(80, 64)}
    assert len(set(images)) == 4
    assert stage.process(records[:1]) == [first]


@pytest.mark.torch
def test_a_model_that_is_generator_and_editor_is_loaded_once(weights: Path) -> None:
    import tiny_pipelines as tiny

    klein = {"num_inference_steps": 2, "max_sequence_length": 32, "text_encoder_out_layers": [1, 2]}
    both = {"weights": str(tiny.klein_edit(weights)), "arguments": klein}
    stage = loaded(both, both)
    shared: Any = stage
    assert shared.generator.pipeline.pipe is shared.editor.pipeline.pipe
    [found] = stage.process([plan("red", "blue")])
    assert found["target"] != found["turns"][0]
    apart: Any = loaded(both, both)
    assert apart.generator.pipeline.pipe is not shared.generator.pipeline.pipe, "nothing is shared beyond a stage"
    apart.editor = apart.config.editor.load("cpu")
    assert apart.process([plan("red", "blue")]) == [found], "sharing changes no pixel"
    other: Any = loaded(both, {**both, "precision": "bfloat16"})
    assert other.generator.pipeline.pipe is not other.editor.pipeline.pipe


@pytest.mark.torch
def test_a_generator_whose_picture_is_unsafe_rejects_its_plan(weights: Path) -> None:
    import tiny_pipelines as tiny

    prudish = {"weights": str(tiny.prudish_text_to_image(weights))}
    editor = {"weights": str(tiny.instruct_pix2pix(weights))}
    [found] = loaded(prudish, editor).process([plan("red", "blue")])
    assert found == Reject("unsafe", "step 1: the model's own safety checker objects to what it made, and blackened it")
    stage = loaded({**prudish, "safety_checker": "leave_out"}, editor)
    assert set(stage.process([plan("red", "blue")])[0]) == {"turns", "target"}
