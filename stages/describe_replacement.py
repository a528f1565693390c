"""Write what a sample says of a replacement."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.core.fields import Box
from datagen.core.sample_rows import edit_row, reference_row, source_row

Size = tuple[int, int]


class DescribeReplacement(Map):
    """Write the edit, the masks and the inputs of a sample that replaces a subject.

    The inputs are the reference, for which the first placeholder stands, then the source. `masks[0]` is all pixels that
    may differ; `masks[1]` is the new subject, if it was found in the target. Box and masks are in pixels of the source.
    The target may have another size but needs the same shape: other pairs are rejected as `shapes_differ`. If the sizes
    differ, no pixels can be compared, so that `masks[0]` covers the whole picture.
    """

    reads = ("source", "target", "text", "subject")
    optional = ("box", "mask")
    writes = ("masks", "edits", "inputs", "task")
    rejects = ("shapes_differ",)
    version = 2

    class Config(StageConfig):
        """What a pair has to be."""

        max_shape_change: float = Field(default=0.02, ge=0, le=1)
        """By how much the ratio of width to height may differ between source and target, as a share of it."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Describe each pair."""
        return [self._described(record) for record in batch]

    def _described(self, record: Record) -> Answer:
        source, target = record["source"].size, record["target"].size
        if abs(_shape(target) / _shape(source) - 1) > self.config.max_shape_change:
            detail = "the source is {}x{}, the target {}x{}".format(*source, *target)
            return Reject("shapes_differ", f"{detail}: one is not the other edited")
        masks = _masks(record, source)
        box = _moved(record["box"], target, source) if "box" in record else []
        subject = record["subject"]
        return {
            "masks": masks,
            "edits": [edit_row(record["text"], operation="replace", subject=subject, box=box, mask="mask_0.png")],
            "inputs": [reference_row(subject), source_row()],
            "task": "subject_replace",
        }


def _shape(size: Size) -> float:
    return size[0] / size[1]


def _masks(record: Record, size: Size) -> list[NDArray[np.bool_]]:
    """What may differ, and the new subject where it is known."""
    changed_HW = _changed(record)
    if "mask" not in record:
        return [changed_HW]
    subject_HW = _scaled(record["mask"], size)
    return [changed_HW | subject_HW, subject_HW]


def _changed(record: Record) -> NDArray[np.bool_]:
    source, target = record["source"], record["target"]
    if source.size != target.size:
        return np.ones(source.size[::-1], np.bool_)
    differs_HW: NDArray[np.bool_] = (source.array != target.array).any(axis=2)
    return differs_HW


def _scaled(mask_HW: NDArray[np.bool_], size: Size) -> NDArray[np.bool_]:
    if mask_HW.shape == size[::-1]:
        return mask_HW
    # nearest: a mask has no values in between
    return cv2.resize(mask_HW.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)


def _moved(box: Box, old: Size, new: Size) -> list[float]:
    """A box in pixels of a picture of size `old`, in pixels of the same picture at size `new`."""
    return [float(edge) * new[axis % 2] / old[axis % 2] for axis, edge in enumerate(box)]
