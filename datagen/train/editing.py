"""Edit a picture with a trained model, as `python -m datagen edit` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging
from pydantic import TypeAdapter, ValidationError

from datagen.core.errors import ConfigError, DataError
from datagen.core.fields import PLACEHOLDER, Box
from datagen.imaging.geometry import check_box, clip_box
from datagen.imaging.image import Image, Pixels
from datagen.train.data.examples import WHOLE, ExamplePart, TrainingExample
from datagen.train.data.framing import Size, frame, nearest_size
from datagen.train.data.selection import SOURCE
from datagen.train.models import FamilyConfig
from datagen.train.models.family import Family

MODEL, FACTS = "model", "datagen.json"
"""Folder of the model in that of a training; the file in it that says how the model was trained."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained model, ready to edit."""

    pipeline: Any
    """Of diffusers."""
    family: Family
    sizes: tuple[Size, ...]
    """Widths and heights that it was trained at."""

    def edit(self, example: TrainingExample, *, seed: int = 0) -> Pixels:
        """What it makes of an example's source, which has one of `sizes`: HWC uint8."""
        return self.family.edit(self.pipeline, example, seed=seed)


def save_model(family: Family, model: torch.nn.Module, *, sizes: Sequence[Size], folder: Path) -> None:
    """Write a model as a folder of diffusers, and beside it what `load_model` needs. Raises OSError."""
    family.save(model, str(folder))
    facts = {"model": family.model_dump(mode="json"), "sizes": [[*size] for size in sizes]}
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def load_model(model: str, *, device: torch.device) -> TrainedModel:
    """The model in a folder that `train` saved, or in the folder of the training itself. Raises `ConfigError`."""
    folder = Path(model)
    if not (folder / FACTS).exists() and (folder / MODEL / FACTS).exists():
        folder /= MODEL
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        family: Family = TypeAdapter(FamilyConfig).validate_python(facts["model"])
        sizes = tuple((int(width), int(height)) for width, height in facts["sizes"])
    except FileNotFoundError as error:
        hint = "it has to be a folder that `python -m datagen train` has saved a model in"
        raise ConfigError(f"{model}: there is no {FACTS}; {hint}") from error
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ConfigError(f"{folder / FACTS} is damaged: {error}") from error
    logging.disable_progress_bar()
    try:
        pipeline = family.load_pipeline(str(folder))
    except Exception as error:  # diffusers and safetensors raise many kinds on damaged files
        raise ConfigError(f"{folder} cannot be loaded: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    return TrainedModel(pipeline, family, sizes)


def edit_picture(
    trained: TrainedModel,
    picture: bytes,
    instructions: Sequence[str],
    *,
    boxes: Sequence[Box | None],
    whole: str = "",
    references: Sequence[bytes] = (),
    seed: int,
) -> Pixels:
    """Edit a picture file, at the size nearest in shape that the model was trained at: HWC uint8.

    `instructions` are the single edits. `boxes` are xyxy in pixels of the picture, one for each of them, or none; None
    stands for the whole picture. `whole` is the instruction that asks for all of them; '' joins them. `references` are
    picture files, in the order of their placeholders. One placeholder more, the last, stands for the picture itself.
    Raises `DataError` if a picture cannot be read or the model cannot take the example, `ConfigError` if a box lies
    outside of the picture or the number of edits, boxes, references or placeholders is wrong.
    """
    image = Image.decode(picture)
    size = image.size
    if boxes and len(boxes) != len(instructions):
        raise ConfigError(f"{len(instructions)} instructions and {len(boxes)} boxes: give one --box for each, or none")
    needs = trained.family.needs()
    if needs.most_edits is not None and len(instructions) > needs.most_edits:
        raise ConfigError(
            f"{len(instructions)} single edits: the model was trained on at most {needs.most_edits}, its `most_edits`; "
            "ask for fewer, and for the others of the edited picture"
        )
    if len(references) > (most := needs.most_references):
        raise ConfigError(f"{len(references)} references: a model of the family '{trained.family.kind}' takes {most}")
    text = whole or " ".join(instructions)
    bound = text.count(PLACEHOLDER)
    if bound - len(references) not in (0, 1) and (bound or needs.placeholders):
        hint = f"write {PLACEHOLDER} once for each reference, in their order, and at most once more for the picture"
        raise ConfigError(f"{bound} {PLACEHOLDER} and {len(references)} references: {hint}")
    placed = boxes or [None] * len(instructions)
    for box in placed:
        if box and (fault := check_box(box, size)):
            raise ConfigError(f"--box: {fault}")
    inside = [box and clip_box(box, size) for box in placed]
    framing = frame(size, nearest_size(size, trained.sizes), boxes=[box for box in inside if box])
    framed = [framing.box(box, size) if box else WHOLE for box in inside]
    if any(x0 == x1 or y0 == y1 for x0, y0, x1, y1 in framed):
        raise DataError("a box lies outside what is seen at the model's size; cut the picture first")
    source = framing.picture(image.array)
    example = TrainingExample(
        key="",
        source=source,
        target=source,
        references=tuple(Image.decode(data).array for data in references),
        instruction=text,
        text=text,
        parts=tuple(ExamplePart(*part) for part in zip(instructions, framed, strict=True)),
        mirrored=False,
        inputs=(*range(len(references)), SOURCE)[:bound],
    )
    return trained.edit(example, seed=seed)
