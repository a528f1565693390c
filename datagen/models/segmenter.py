"""Segmenters: which pixels of a box are the object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from datagen.fields import Box, Polygon
from datagen.models.base import ModelConfig


class Segmentation(NamedTuple):
    """An object's pixels, and how sure the model is, 0 to 1."""

    mask: NDArray[np.bool_]
    score: float


class Annotation(NamedTuple):
    """What people marked of an object; both may be empty."""

    polygons: list[Polygon]
    """Outlines in pixels."""
    runs: Mapping[str, Any]
    """A mask as COCO's uncompressed run lengths, {size: [height, width], counts: [...]}; it precedes the outlines."""


class Segmenter(Protocol):
    """Masks of one object in each picture."""

    def __call__(
        self, images: list[NDArray[np.uint8]], boxes: list[Box], annotations: list[Annotation]
    ) -> list[Segmentation]:
        """HWC uint8 RGB pictures with one xyxy box each, and what is annotated of it.

        Masks are HW, of the picture's size (an annotated one of the size that it was annotated with).
        No answer depends on the rest of the batch.
        """
        ...


class AnnotatedConfig(ModelConfig):
    """What people drew, as polygons or a mask in the manifest."""

    kind: Literal["annotated"] = "annotated"
    needs: ClassVar[tuple[str, ...]] = ("polygons", "annotated_mask")

    def load(self, device: str) -> Segmenter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        from datagen.models.annotated_segmenter import AnnotatedSegmenter

        return AnnotatedSegmenter()


class GrabCutConfig(ModelConfig):
    """GrabCut from the box (Rother et al. 2004), for objects that stand off their surroundings."""

    kind: Literal["grabcut"] = "grabcut"
    rounds: int = Field(default=1, ge=1, le=50)
    """How often the colour models are fitted; more rounds lose faint objects (docs/inpainting.md)."""
    margin: float = Field(default=0, ge=0, le=2)
    """How much of the surroundings is looked at beyond two pixels, in widths and heights of the box."""

    def load(self, device: str) -> Segmenter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        from datagen.models.grabcut_segmenter import GrabCutSegmenter

        return GrabCutSegmenter(rounds=self.rounds, margin=self.margin)


SegmenterConfig = Annotated[AnnotatedConfig | GrabCutConfig, pydantic.Field(discriminator="kind")]
