"""Find the pixels of a boxed object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.geometry import check_box
from datagen.models.segmenter import AnnotatedConfig, Annotation, Segmentation, SegmenterConfig


class SegmentSubject(Map):
    """Mask the object in the record's box.

    Fails a record whose box is not on its picture.
    """

    reads = ("image", "box")
    writes = ("mask",)
    rejects = ("no_mask",)
    version = 1

    class Config(StageConfig):
        """Which segmenter."""

        segmenter: SegmenterConfig = Field(default=AnnotatedConfig())
        """The model that finds the pixels."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """What every segmenter reads, and what this one does besides."""
        return (*cls.reads, *config.segmenter.needs)

    def setup(self, device: str) -> None:
        """Load the segmenter."""
        self.segmenter = self.config.segmenter.load(device)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Segment the records whose boxes are sound."""
        faults = [_fault(record) for record in batch]
        sound = [record for record, fault in zip(batch, faults, strict=True) if fault is None]
        found = iter(
            self.segmenter(
                [record["image"].array for record in sound],
                [record["box"] for record in sound],
                [Annotation(record.get("polygons", []), record.get("annotated_mask", {})) for record in sound],
            )
        )
        pairs = zip(batch, faults, strict=True)
        return [Failed(fault) if fault else _answer(record, next(found)) for record, fault in pairs]


def _fault(record: Record) -> str | None:
    size = record["image"].size
    annotated = record.get("annotated_mask") or {"size": size[::-1]}
    return check_box(record["box"], size) or _misfit(annotated["size"], size)


def _misfit(shape: Sequence[int], size: tuple[int, int]) -> str | None:
    if tuple(shape) == size[::-1]:
        return None
    return f"the mask is {shape[1]}x{shape[0]}, the picture {size[0]}x{size[1]}"


def _answer(record: Record, found: Segmentation) -> Answer:
    if misfit := _misfit(found.mask.shape, record["image"].size):
        return Failed(misfit)
    if not found.mask.any():
        return Reject("no_mask", f"no pixel of box {list(record['box'])} belongs to the object")
    return {"mask": found.mask}
