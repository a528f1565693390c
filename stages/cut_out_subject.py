"""Cut the subject out as a reference picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.imaging.geometry import center_on_square, decode_rle
from datagen.imaging.image import Image
from datagen.imaging.outlines import in_front, outline_of, run_lengths
from datagen.models.grammar import may_be_part

_LEVELS = {"white": 255, "black": 0}


class CutOutSubject(Map):
    """Cut the subject out onto a plain square, as the reference picture.

    MIGE scales it to 224 x 224 on white. Here it keeps its size, up to `max_size`, and is never enlarged. A mask that
    is empty or of another size than the picture fails the record.

    What other annotated objects show of themselves inside the mask is left out, as the spoon on a saucer; the objects
    are `found_objects` if an earlier stage wrote them, else `objects`. Of two outlines the smaller is taken to be in
    front. A part of the subject stays: something nearly all inside it whose label names a part, as a badge on a suit.
    Rejects as `covered` a subject of which others hide more than `max_covered`.
    """

    reads = ("image", "mask")
    optional = ("objects", "found_objects")
    writes = ("refs",)
    rejects = ("covered",)
    version = 2

    class Config(StageConfig):
        """How the reference looks."""

        background: Literal["white", "black"] = "white"
        """What surrounds the subject; MIGE trains on white and benchmarks on both."""
        margin: float = Field(default=0.05, ge=0, le=1)
        """Room left on each side, as a share of the subject's longer side."""
        max_size: int = Field(default=512, ge=16, le=4096)
        """Longest side of the square, in pixels."""
        others: Literal["leave_out", "keep"] = "leave_out"
        """What to do with other annotated objects in front of the subject; `keep` for masks without names, which may
        all be parts of one another."""
        max_covered: float = Field(default=0.3, ge=0, le=1)
        """Largest share of the subject's pixels that may be left out so."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Cut each subject out."""
        return [self._cut(record) for record in batch]

    def _cut(self, record: Record) -> Answer:
        image, mask_HW = record["image"], record["mask"]
        if mask_HW.shape != image.array.shape[:2]:
            return Failed("the mask is {1}x{0}, the picture {2}x{3}".format(*mask_HW.shape, *image.size))
        if not mask_HW.any():
            return Failed("the mask is empty, there is no subject to cut out")
        config = self.config
        if config.others == "leave_out":
            shown_HW, names = _without_others(mask_HW, record.get("found_objects", record.get("objects", [])))
            covered = 1 - shown_HW.sum() / mask_HW.sum()
            if covered > config.max_covered or not shown_HW.any():
                hidden = f"{100 * covered:.0f} % of it is hidden by {', '.join(names):.200}"
                return Reject("covered", f"{hidden}; at most {100 * config.max_covered:g} % may be (max_covered)")
            mask_HW = shown_HW
        square_HWC = center_on_square(image.array, mask_HW, level=_LEVELS[config.background], margin=config.margin)
        side = square_HWC.shape[0]
        if side > config.max_size:
            size = (config.max_size, config.max_size)
            square_HWC = cv2.resize(square_HWC, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return {"refs": [Image.of(square_HWC)]}


PART_INSIDE = 0.9
"""Least share of the pixels of a part that lie inside the subject's mask."""


def _without_others(
    mask_HW: NDArray[np.bool_], things: Sequence[Mapping[str, Any]]
) -> tuple[NDArray[np.bool_], list[str]]:
    """The subject's pixels that show no other object, and the labels of the objects that the others show."""
    own, size = run_lengths(mask_HW), (mask_HW.shape[1], mask_HW.shape[0])
    shown_HW, names = mask_HW.copy(), []
    for thing in things:
        other = outline_of(thing["polygons"], thing["mask"], size=size)
        if other is None or not in_front(other, of=own):
            continue
        if may_be_part(thing["label"]) and other.shared(own) >= PART_INSIDE * other.area:
            continue
        shown_HW &= ~decode_rle(other.counts, (other.height, other.width))
        names.append(thing["label"])
    return shown_HW, names
