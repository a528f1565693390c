"""Boxes in the answers of vision-language models: their form, and the same boxes in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from datagen.core.errors import DataError
from datagen.core.fields import Box
from datagen.models.language.config import LanguageModelConfig


def _upright(box: list[float]) -> list[float]:
    left, top, right, bottom = box
    if left >= right or top >= bottom:
        raise ValueError("it has to be [left, top, right, bottom], left less than right and top less than bottom")
    return box


BoxForm = Annotated[
    list[Annotated[float, Field(ge=0, allow_inf_nan=False)]],
    Field(min_length=4, max_length=4),
    AfterValidator(_upright),
]
"""A box of an answer: left, top, right and bottom, from 0 at the picture's left and upper edges."""


def boxes_in_pixels(
    boxes: Sequence[list[float]], size: tuple[int, int], *, extent: int, model: LanguageModelConfig
) -> list[Box]:
    """The boxes of a model's answer as xyxy in pixels of a picture of `size` (width, height).

    `extent` is what the picture's right and lower edges count as. Raises `DataError` if a box reaches beyond it.
    """
    beyond = max((edge for box in boxes for edge in box), default=0)
    if beyond > extent:  # not clipped: a model with another scale would give wrong boxes without an error
        raise DataError(
            f"{model.model} told a box that reaches to {beyond:g}, beyond the picture's edge at {extent}: is its own "
            "scale another one? See `extent`"
        )
    width, height = size
    return [
        (left * width / extent, top * height / extent, right * width / extent, bottom * height / extent)
        for left, top, right, bottom in boxes
    ]
