"""Segmenters: which pixels of a box are the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.fields import Box, Polygon
from datagen.core.options import PACE
from datagen.models.base import ModelConfig
from datagen.models.weights.config import WeightsConfig


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


NOTHING = Annotation([], {})
"""What is annotated of an object that nobody marked."""


class Scene(NamedTuple):
    """A picture, HWC uint8 RGB, and the xyxy boxes of objects in it."""

    image: NDArray[np.uint8]
    boxes: Sequence[Box]
    annotations: Sequence[Annotation] = ()
    """What is annotated of each box's object; none at all is `NOTHING` for each."""


def marks(scene: Scene) -> Sequence[Annotation]:
    """What is annotated of each box's object."""
    return scene.annotations or [NOTHING] * len(scene.boxes)


class Segmenter(Protocol):
    """Masks of the objects in boxes."""

    def __call__(self, scenes: list[Scene]) -> list[list[Segmentation]]:
        """One answer for each box of each picture; a picture is encoded once for all its boxes.

        Masks are HW, of the picture's size (an annotated one of the size that it was annotated with).
        Beyond rounding no answer depends on the other boxes, nor on the rest of the batch.
        """
        ...


def segment_each(
    segmenter: Segmenter, *, each: Sequence[tuple[NDArray[np.uint8], Box, Annotation]]
) -> list[Segmentation]:
    """One object of a picture each; a picture that comes several times, as the same array, is given once."""
    places: dict[int, list[int]] = {}
    for place, (image, _, _) in enumerate(each):
        places.setdefault(id(image), []).append(place)
    groups = list(places.values())
    scenes = [Scene(each[group[0]][0], [each[n][1] for n in group], [each[n][2] for n in group]) for group in groups]
    found: dict[int, Segmentation] = {}
    for group, segmentations in zip(groups, segmenter(scenes), strict=True):
        found.update(zip(group, segmentations, strict=True))
    return [found[place] for place in range(len(each))]


class AnnotatedConfig(ModelConfig):
    """What people drew, as polygons or a mask in the manifest."""

    kind: Literal["annotated"] = "annotated"
    needs: ClassVar[tuple[str, ...]] = ("polygons", "annotated_mask")

    def load(self, device: str) -> Segmenter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        from datagen.models.segmenters.annotated import AnnotatedSegmenter

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
        from datagen.models.segmenters.grabcut import GrabCutSegmenter

        return GrabCutSegmenter(rounds=self.rounds, margin=self.margin)


class PromptedConfig(WeightsConfig):
    """A model of the Segment Anything family, prompted by boxes."""

    masks: Literal["single", "best"] = "single"
    """One mask for a box, as its authors advise for boxes, or that of three which the model scores best."""
    boxes_at_once: Annotated[int, PACE] = Field(default=32, ge=1)
    """Boxes of one picture that are decoded together; what does not fit into memory is halved, and stays so."""


class SamConfig(PromptedConfig):
    """Segment Anything (arXiv:2304.02643) by the `segment-anything` package, from its `.pth` checkpoint.

    Which of its sizes it is, the checkpoint tells. In half precision only the image is encoded.
    """

    kind: Literal["sam"] = "sam"
    license: ClassVar[str] = "Apache-2.0"
    packages: ClassVar[tuple[str, ...]] = ("torch", "torchvision", "segment_anything")

    weights: Annotated[str, PACE] = Field(min_length=1)
    """The `.pth` file, such as sam_vit_h_4b8939.pth, or `owner/name:file` on the hub."""

    def load(self, device: str) -> Segmenter:
        """The segmenter. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        from datagen.models.segmenters.sam import SamSegmenter

        return SamSegmenter(self, device=device)


class Sam2Config(PromptedConfig):
    """SAM 2 and 2.1 (arXiv:2408.00714) by transformers, on still pictures."""

    kind: Literal["sam2"] = "sam2"
    license: ClassVar[str] = "Apache-2.0"

    weights: Annotated[str, PACE] = Field(default="facebook/sam2.1-hiera-large", min_length=1)
    """A repository of the hub, or a folder as transformers saves it."""
    commit: str = "665f8e2ad61cf5f53d65644ff27c8ee525124610"
    """The commit that pins them; this one is the default's, others have none unless it is given."""

    def load(self, device: str) -> Segmenter:
        """The segmenter. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        from datagen.models.segmenters.sam2 import Sam2Segmenter

        return Sam2Segmenter(self, device=device)


class Sam3Config(PromptedConfig):
    """SAM 3 (arXiv:2511.16719) by transformers, prompted by boxes as its tracker is."""

    kind: Literal["sam3"] = "sam3"
    license: ClassVar[str] = "LicenseRef-SAM"

    weights: Annotated[str, PACE] = Field(default="facebook/sam3", min_length=1)
    """A repository of the hub, which asks for consent to its licence, or a folder as transformers saves it."""

    def load(self, device: str) -> Segmenter:
        """The segmenter. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        from datagen.models.segmenters.sam2 import Sam3Segmenter

        return Sam3Segmenter(self, device=device)


BoxSegmenterConfig = Annotated[
    GrabCutConfig | SamConfig | Sam2Config | Sam3Config, pydantic.Field(discriminator="kind")
]
"""Segmenters that need a box and nothing else."""

SegmenterConfig = Annotated[
    AnnotatedConfig | GrabCutConfig | SamConfig | Sam2Config | Sam3Config, pydantic.Field(discriminator="kind")
]
"""Every kind of segmenter, told apart by `kind`."""
