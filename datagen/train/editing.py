"""Edit a picture with a trained model, as `python -m datagen edit` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers.utils import logging
from PIL import Image as Pillow

from datagen.core.errors import ConfigError, DataError
from datagen.core.fields import Box
from datagen.imaging.geometry import check_box, clip_box
from datagen.imaging.image import Image, Pixels
from datagen.train.data.examples import TrainingExample
from datagen.train.data.framing import Size, frame, nearest_size
from datagen.train.loop import MODEL
from datagen.train.models.small_net import SmallEditPipeline, edited

INDEX = "model_index.json"


def load_pipeline(model: str, *, device: torch.device) -> SmallEditPipeline:
    """The pipeline in a folder that `train` saved, or in the folder of the training itself. Raises `ConfigError`."""
    folder = Path(model)
    if not (folder / INDEX).exists() and (folder / MODEL / INDEX).exists():
        folder /= MODEL
    try:
        kind = json.loads((folder / INDEX).read_text("utf-8"))["_class_name"]
    except FileNotFoundError as error:
        hint = "it has to be a folder that `python -m datagen train` has saved a model in"
        raise ConfigError(f"{model}: there is no {INDEX}; {hint}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder / INDEX} is damaged: {error}") from error
    if kind != SmallEditPipeline.__name__:
        raise ConfigError(f"{folder}: is a {kind}; `edit` knows {SmallEditPipeline.__name__}, which `train` saves")
    logging.disable_progress_bar()
    try:
        pipeline: SmallEditPipeline = SmallEditPipeline.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # diffusers and safetensors raise many kinds on damaged files
        raise ConfigError(f"{folder} cannot be loaded: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    return pipeline


def edit_picture(
    pipeline: SmallEditPipeline, picture: bytes, instructions: Sequence[str], *, boxes: Sequence[Box], seed: int
) -> Pixels:
    """Edit a picture file, at the size nearest in shape that the model was trained at: HWC uint8.

    `boxes` are xyxy in pixels of the picture, one for each instruction, or none. Raises `DataError` if the picture
    cannot be read, `ConfigError` if a box lies outside it or their number is wrong.
    """
    image = Image.decode(picture)
    size = image.size
    if boxes and len(boxes) != len(instructions):
        raise ConfigError(f"{len(instructions)} instructions and {len(boxes)} boxes: give one --box for each, or none")
    for box in boxes:
        if fault := check_box(box, size):
            raise ConfigError(f"--box: {fault}")
    inside = [clip_box(box, size) for box in boxes]
    framing = frame(size, nearest_size(size, trained_sizes(pipeline)), boxes=inside)
    width, height = framing.size
    placed = []
    for box in inside:
        x0, y0, x1, y1 = framing.box(box, size)
        if x0 == x1 or y0 == y1:
            raise DataError("--box lies outside what is seen at the model's size; cut the picture first")
        placed.append((x0 * width, y0 * height, x1 * width, y1 * height))
    seen = Pillow.fromarray(framing.picture(image.array))
    generator = torch.Generator().manual_seed(seed)
    return np.asarray(pipeline(seen, instructions, boxes=placed, generator=generator))


def trained_sizes(pipeline: SmallEditPipeline) -> list[Size]:
    """Widths and heights that a pipeline was trained at."""
    return [(int(width), int(height)) for width, height in pipeline.config.sizes]


def edit_example(pipeline: SmallEditPipeline, example: TrainingExample) -> Pixels:
    """What a pipeline makes of an example, whose pictures have a size that it was trained at: HWC uint8."""
    return edited(pipeline, example, uses_boxes=pipeline.config.uses_boxes)
