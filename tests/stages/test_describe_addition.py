"""Describing an addition: what differs, and what is new."""

from __future__ import annotations

import numpy as np
from picture_files import noise

from datagen.core.record import Record
from datagen.core.stage import Reject
from datagen.imaging.image import Image
from stages.describe_addition import DescribeAddition


def pair(*, width: int = 8) -> Record:
    before = noise(6, 8)
    after = noise(6, 8).copy()
    after[0, 0] = 255 - after[0, 0]
    mask_HW = np.zeros((6, 8), np.bool_)
    mask_HW[2:4, 2:4] = True
    pictures = {"source": Image.of(before), "target": Image.of(np.ascontiguousarray(after[:, :width]))}
    return Record("a", {**pictures, "mask": mask_HW, "box": (2, 2, 4, 4), "text": "add a cup", "subject": "cup"})


def test_what_differs_and_what_is_new_are_masks() -> None:
    (found,) = DescribeAddition(DescribeAddition.Config()).process([pair()])
    changed, subject = found["masks"]  # type: ignore[index,call-overload]
    assert (changed.sum(), subject.sum()) == (5, 4)
    assert changed[0, 0]
    (edit,) = found["edits"]  # type: ignore[index,call-overload]
    assert (edit["op"], edit["object"], edit["box"], edit["mask"]) == ("add", "cup", [2, 2, 4, 4], "mask_0.png")


def test_pictures_of_two_sizes_are_no_pair() -> None:
    (found,) = DescribeAddition(DescribeAddition.Config()).process([pair(width=7)])
    assert found == Reject("sizes_differ", "the source is 8x6, the target 7x6")
