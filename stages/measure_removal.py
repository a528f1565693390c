"""Measure how well an object was removed."""

from __future__ import annotations

from datagen import Answer, Failed, Map, Record
from datagen.imaging.removal_scores import measure


class MeasureRemoval(Map):
    """Compare the picture before and after a removal, inside and outside the hole; `check_removal` judges the scores.

    All differences are computed in floats, because unsigned bytes would wrap around. A record whose pictures and masks
    differ in size fails.
    """

    reads = ("image", "source", "mask", "hole")
    writes = ("outside_change", "inside_change", "seam", "texture", "strangeness")

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure each removal."""
        return [_measured(record) for record in batch]


def _measured(record: Record) -> Answer:
    before, after = record["image"].array, record["source"].array
    shapes = {before.shape[:2], after.shape[:2], record["mask"].shape, record["hole"].shape}
    if len(shapes) > 1:
        return Failed(f"picture, source, mask and hole differ in size: {sorted(shapes)}")
    return measure(before, after, mask_HW=record["mask"], hole_HW=record["hole"])._asdict()
