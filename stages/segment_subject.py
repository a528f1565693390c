"""Find the pixels of an object in a box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from datagen import Answer, Box, Failed, Filter, Record, Reject, StageConfig, Threshold
from datagen.imaging.geometry import check_box, clip_box, iou, mask_bounds
from datagen.imaging.image import Pixels
from datagen.models.segmenters import SegmenterConfig
from datagen.models.segmenters.annotated import AnnotatedConfig
from datagen.models.segmenters.base import Annotation, Segmentation, segment_each


class SegmentSubject(Filter):
    """Mask the object in the record's box.

    A box that is not on its picture fails its record. Rejects as `no_mask` an object without a pixel, and as
    `box_mismatch` a mask that lies elsewhere than its box: one of the two is of another object.
    """

    reads = ("image", "box")
    writes = ("mask", "mask_fit")
    rejects = ("no_mask", "box_mismatch")
    thresholds = (Threshold("mask_fit", "least", "min_box_iou", "box_mismatch"),)
    version = 2

    class Config(StageConfig):
        """Which segmenter."""

        segmenter: SegmenterConfig = Field(default=AnnotatedConfig())
        """The model that finds the pixels."""
        min_box_iou: float = Field(default=0.5, ge=0, le=1)
        """Least overlap, intersection over union, of the mask's bounds with the box; 0 takes any mask."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """What every segmenter reads, and what this one does besides."""
        return (*cls.reads, *config.segmenter.needs)

    def setup(self, device: str) -> None:
        """Load the segmenter."""
        self.segmenter = self.config.segmenter.load(device)

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Segment the records whose boxes are valid. A picture with several records is encoded once."""
        faults = [_fault(record) for record in batch]
        sound = [record for record, fault in zip(batch, faults, strict=True) if fault is None]
        found = iter(segment_each(self.segmenter, each=[_job(record) for record in sound]))
        pairs = zip(batch, faults, strict=True)
        return [Failed(fault) if fault else _answer(record, next(found)) for record, fault in pairs]


def _answer(record: Record, found: Segmentation) -> Answer:
    size, box = record["image"].size, record["box"]
    if misfit := _misfit(found.mask.shape, size):
        return Failed(misfit)
    if not found.mask.any():
        return Reject("no_mask", f"no pixel of box {list(box)} belongs to the object", {"mask_fit": 0})
    return {"mask": found.mask, "mask_fit": round(iou(mask_bounds(found.mask), clip_box(box, size)), 4)}


def _job(record: Record) -> tuple[Pixels, Box, Annotation]:
    annotation = Annotation(record.get("polygons", []), record.get("annotated_mask", {}))
    return record["image"].array, record["box"], annotation


def _fault(record: Record) -> str | None:
    size = record["image"].size
    annotated = record.get("annotated_mask") or {"size": size[::-1]}
    return check_box(record["box"], size) or _misfit(annotated["size"], size)


def _misfit(shape: Sequence[int], size: tuple[int, int]) -> str | None:
    if tuple(shape) == size[::-1]:
        return None
    return f"the mask is {shape[1]}x{shape[0]}, the picture {size[0]}x{size[1]}"
