"""Put together what a sample tells of a replacement."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.fields import Box

Size = tuple[int, int]


class DescribeReplacement(Map):
    """Write the edit, its mask and its inputs: the reference, for which the placeholder stands, then the source.

    `masks` is the new subject alone, where it was found in the target. Box and mask are told in pixels of the source,
    which may be larger or smaller than the target, but has to be of its shape.
    """

    reads = ("source", "target", "text", "subject")
    optional = ("box", "mask")
    writes = ("masks", "edits", "inputs", "task")
    rejects = ("shapes_differ",)
    version = 1

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
            told = "the source is {}x{}, the target {}x{}".format(*source, *target)
            return Reject("shapes_differ", f"{told}: one is not the other edited")
        masks = [_scaled(record["mask"], source)] if "mask" in record else []
        box = _moved(record["box"], target, source) if "box" in record else []
        subject = record["subject"]
        return {
            "masks": masks,
            "edits": [_edit(record["text"], subject, box, "mask_0.png" if masks else "")],
            "inputs": [_input("ref_0", "reference", subject), _input("source", "source", "")],
            "task": "subject_replace",
        }


def _shape(size: Size) -> float:
    return size[0] / size[1]


def _scaled(mask_HW: NDArray[np.bool_], size: Size) -> NDArray[np.bool_]:
    if mask_HW.shape == size[::-1]:
        return mask_HW
    return cv2.resize(mask_HW.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(np.bool_)


def _moved(box: Box, old: Size, new: Size) -> list[float]:
    """A box on a picture of one size as it lies on the same picture of another."""
    return [float(edge) * new[axis % 2] / old[axis % 2] for axis, edge in enumerate(box)]


def _edit(text: str, subject: str, box: list[float], mask: str) -> dict[str, Any]:
    return {"instruction": text, "op": "replace", "object": subject, "box": box, "mask": mask, "candidates": []}


def _input(member: str, role: str, label: str) -> dict[str, Any]:
    return {"member": member, "role": role, "label": label, "appears": True, "caption": ""}
