"""A sample as a model sees it: pictures of one size, words, and boxes between 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from datagen.core.errors import DataError, DatagenError
from datagen.core.fields import Box
from datagen.imaging.image import Image, Pixels
from datagen.shards.reader import numbered_members
from datagen.train.data.flip import flipped_box, flipped_texts
from datagen.train.data.framing import Framing, Size, frame
from datagen.train.data.selection import Facts, boxes_of

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
Crop = Literal["random", "middle"]


class ExamplePart(NamedTuple):
    """One single edit."""

    text: str
    box: Box
    """xyxy, 0 to 1 of the size; the whole picture where no box is known."""


class TrainingExample(NamedTuple):
    """One sample, as it is trained on."""

    key: str
    source: Pixels
    """HWC uint8; black where the sample has none, as on a blank canvas."""
    target: Pixels
    """HWC uint8, of the same size."""
    references: tuple[Pixels, ...]
    """HWC uint8, each of its own size."""
    instruction: str
    """With a placeholder for each picture."""
    text: str
    """Without placeholders."""
    parts: tuple[ExamplePart, ...]
    mirrored: bool
    has_source: bool = True
    """False on a blank canvas."""
    inputs: tuple[int | None, ...] = ()
    """What each placeholder of `instruction` stands for: the number of a reference, `SOURCE`, or None for another
    picture."""


class SamplePictures(NamedTuple):
    """The pictures of one sample, HWC uint8."""

    source: Pixels
    """Black where the sample has none."""
    target: Pixels
    references: tuple[Pixels, ...]


def make_example(
    members: Mapping[str, bytes], facts: Facts, *, size: Size, draw: tuple[int, ...], flip: float, crop: Crop = "random"
) -> TrainingExample:
    """The example of a sample at a size. `members` are its files by name; `flip` is how often it is mirrored, 0 to 1.

    It is never mirrored if its words could then be wrong, or if it has references, which may show writing or a face.
    `crop` says which part is seen of what does not fit the size. `draw` seeds all that is drawn. Raises `DataError`
    that names the sample if a picture is missing or damaged.
    """
    rng = np.random.default_rng(draw)
    place, chance = rng.random(), rng.random()
    pictures = read_pictures(members, facts)
    framing = frame(facts.size, size, boxes=boxes_of(facts), draw=place if crop == "random" else 0.5)
    example = framed_example(pictures, facts, framing)
    return mirrored(example) if chance < flip and not pictures.references else example


def read_pictures(members: Mapping[str, bytes], facts: Facts) -> SamplePictures:
    """The pictures among a sample's files. Raises `DataError` that names the sample if one is missing or damaged."""
    try:
        named = {name.split(".")[0]: data for name, data in members.items()}
        target = Image.carried(named["target"]).array
        source = Image.carried(named["source"]).array if facts.has_source else np.zeros_like(target)
        references = tuple(Image.carried(members[name]).array for name in numbered_members(members, "ref"))
    except KeyError as missing:
        raise DataError(f"sample '{facts.key}' has no member {missing}") from missing
    except (DatagenError, OSError, ValueError) as error:
        raise DataError(f"a picture of sample '{facts.key}' is damaged: {error}") from error
    return SamplePictures(source, target, references)


def framed_example(pictures: SamplePictures, facts: Facts, framing: Framing) -> TrainingExample:
    """The example that a sample is in this framing, not mirrored."""
    parts = tuple(
        ExamplePart(part.text, framing.box(part.box, facts.size) if part.box and part.op != "global" else WHOLE)
        for part in facts.parts
    )
    return TrainingExample(
        facts.key,
        framing.picture(pictures.source),
        framing.picture(pictures.target),
        pictures.references,
        facts.instruction,
        facts.text,
        parts,
        False,
        facts.has_source,
        facts.inputs,
    )


def mirrored(example: TrainingExample) -> TrainingExample:
    """The example seen in a mirror; the same one if its words do not allow it."""
    words = flipped_texts([example.instruction, example.text, *(part.text for part in example.parts)])
    if words is None:
        return example
    return example._replace(
        source=np.ascontiguousarray(example.source[:, ::-1]),
        target=np.ascontiguousarray(example.target[:, ::-1]),
        instruction=words[0],
        text=words[1],
        parts=tuple(
            ExamplePart(text, flipped_box(part.box, width=1))
            for text, part in zip(words[2:], example.parts, strict=True)
        ),
        mirrored=True,
    )


def parts_of(example: TrainingExample, *, uses_boxes: bool) -> list[ExamplePart]:
    """The single edits of an example; without any, its whole instruction anywhere."""
    parts = [part for part in example.parts if part.text] or [ExamplePart(example.text or example.instruction, WHOLE)]
    return parts if uses_boxes else [part._replace(box=WHOLE) for part in parts]


def name_of(example: TrainingExample) -> str:
    """What an error calls an example: its sample, or the instruction of an edit."""
    return f"sample '{example.key}'" if example.key else "the instruction"


def check_references(example: TrainingExample, *, most: int) -> None:
    """Raise `DataError` if an example has more reference pictures than a model takes."""
    if (number := len(example.references)) > most:
        raise DataError(f"{name_of(example)} has {number} references; the model takes {most}")
