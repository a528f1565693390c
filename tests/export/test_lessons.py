"""The laws of lessons and layouts: whatever the words and pictures are, readers find all of them, in order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from export.layout_readers import ReadPicture, read_irg, read_zebra
from export.planned import plain
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.fields import PLACEHOLDER
from datagen.core.sample_rows import in_picture
from datagen.export.exporting import FORMATS
from datagen.export.layouts import LayoutOptions
from datagen.export.lessons import Lesson, TextPiece, UnfitSampleError, make_lesson, refuse_markers
from datagen.export.zebra_cot import LAST_PICTURE
from datagen.shards.info import SampleInfo

CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t")
WORDS = st.one_of(st.text(CHARACTERS, max_size=12), st.sampled_from(["\u2028", '"{}\\', "[key]", "</image>"])).map(
    "w{} ".format
)
"""Any words but those that would be read as a picture's place, a tag or a special token."""
PICTURES = [plain(number, side=8).encoded() for number in range(12)]


def words(lesson: Lesson) -> list[str]:
    return [piece.text for piece in lesson.pieces if isinstance(piece, TextPiece)]


@st.composite
def samples(draw: st.DrawFn) -> tuple[SampleInfo, dict[str, bytes]]:
    """A sample of any of the four tasks, whose words may be anything."""
    task = draw(st.sampled_from(["plan_generation", "inspect_text", "inspect_image", "refine"]))
    turns = 0 if task == "refine" else draw(st.integers(0, 5))
    has_source = task == "refine" or draw(st.booleans())
    images = [f"turn_{number}.png" for number in range(turns)] + ["target.png"]
    names = (["source.png"] if has_source else []) + images
    members = dict(zip(names, PICTURES, strict=False)) | {"json": b"{}", "txt": b""}
    prompt = draw(WORDS)
    steps = [{"instruction": draw(WORDS), "description": draw(WORDS), "image": name} for name in images]
    if task.startswith("inspect_"):
        steps[-1] |= {"verdict": "inconsistent", "critique": draw(WORDS), "correction": draw(WORDS)}
    if task == "refine":
        steps = [{"critique": draw(WORDS)}]
    captions = {"target": draw(WORDS)}
    values: dict[str, Any] = {"key": "k", "id": "k", "task": task, "instruction": prompt, "steps": steps}
    if has_source:
        named = {"inputs": ["source.png"], "input_info": [{"role": "source"}]}
        values |= {"instruction": in_picture(prompt), "text": prompt, **named}
    return SampleInfo.model_validate({**values, "target": "target.png", "captions": captions}), members


@settings(max_examples=example_count(200), deadline=None)
@given(sample=samples())
def test_both_interleaved_layouts_give_back_what_was_written(sample: tuple[SampleInfo, dict[str, bytes]]) -> None:
    lesson = make_lesson(*sample)
    refuse_markers(lesson)
    wanted: list[tuple[Any, bool]] = [
        (piece.text.strip() if isinstance(piece, TextPiece) else lesson.pictures[piece.member], piece.is_learnt)
        for piece in lesson.pieces
    ]
    for format, read in (("irg", read_irg), ("zebra_cot", read_zebra)):
        with tempfile.TemporaryDirectory() as folder:
            layout = FORMATS[format](LayoutOptions(Path(folder), Path(folder), 10**9))
            layout.add(lesson)
            layout.close()
            pieces = read(Path(folder))["k"]
        found = [(piece.data if isinstance(piece, ReadPicture) else piece.text.strip(), piece.loss) for piece in pieces]
        if format == "irg":
            assert found == wanted
        else:  # the texts of a question or a trace that follow each other are one there
            answer = "inconsistent" if lesson.info.steps[-1].verdict else LAST_PICTURE
            assert found == [*joined(wanted), (answer, True)]


def joined(pieces: list[tuple[Any, bool]]) -> list[tuple[Any, bool]]:
    """Texts of one kind that follow each other as one, line by line."""
    found: list[tuple[Any, bool]] = []
    for value, is_learnt in pieces:
        if found and isinstance(value, str) and isinstance(found[-1][0], str) and found[-1][1] == is_learnt:
            found[-1] = (f"{found[-1][0]}\n{value}", is_learnt)
        else:
            found.append((value, is_learnt))
    return found


@settings(max_examples=example_count(200), deadline=None)
@given(sample=samples())
def test_a_lesson_has_every_picture_once_and_learns_something(sample: tuple[SampleInfo, dict[str, bytes]]) -> None:
    info, members = sample
    lesson = make_lesson(info, members)
    assert sorted(use.member for use in lesson.uses) == sorted(name for name in members if name.endswith(".png"))
    assert any(piece.is_learnt for piece in lesson.pieces)
    assert all(use.is_learnt or use.is_painted_from or use.is_understood for use in lesson.uses)
    said_of = "\n".join(words(lesson))
    texts = [
        info.text or info.instruction,
        *(text for step in info.steps for text in (step.instruction, step.critique)),
    ]
    assert all(text.strip() in said_of for text in texts)
    assert PLACEHOLDER not in said_of


def test_an_empty_picture_before_the_first_step_is_not_given() -> None:
    values: dict[str, Any] = {"key": "k", "id": "k", "task": "inspect_image", "instruction": "Draw a star."}
    steps = [{"instruction": "Draw a star.", "image": "target.png", "verdict": "consistent"}]
    info = SampleInfo.model_validate({**values, "target": "target.png", "steps": steps})
    lesson = make_lesson(info, {"source.png": PICTURES[0], "target.png": PICTURES[1]})
    assert [use.member for use in lesson.uses] == ["target.png"]


def test_a_task_without_a_lesson_and_a_missing_picture_are_refused() -> None:
    values: dict[str, Any] = {"key": "k", "id": "k", "instruction": "Draw."}
    with pytest.raises(UnfitSampleError, match="other_task/none: no layout has a place for its task"):
        make_lesson(SampleInfo.model_validate(values), {})
    steps = [{"instruction": "Draw.", "image": "target.png"}]
    info = SampleInfo.model_validate({**values, "task": "plan_generation", "steps": steps})
    with pytest.raises(UnfitSampleError, match=r"no_picture: a step names target\.png, which the sample has not"):
        make_lesson(info, {"json": b""})
    judged = [{"instruction": "Draw.", "verdict": "consistent"}]
    info = SampleInfo.model_validate({**values, "task": "inspect_image", "steps": judged})
    with pytest.raises(UnfitSampleError, match="no_picture: the picture that is judged is missing"):
        make_lesson(info, {})


def test_words_alone_can_be_inspected() -> None:
    steps = [{"instruction": "Add a cat."}, {"instruction": "Add a dog.", "verdict": "consistent"}]
    values = {"key": "k", "id": "k", "task": "inspect_text", "instruction": "A cat and a dog.", "steps": steps}
    lesson = make_lesson(SampleInfo.model_validate(values), {"json": b"", "txt": b""})
    assert lesson.uses == []
    assert words(lesson) == [
        "A cat and a dog.",
        "<ins>Add a cat.</ins>",
        "<ins>Add a dog.</ins>",
        "Verdict: consistent.",
    ]
