"""Keep pairs that differ where the edit is, and not elsewhere."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Failed, Filter, Record, StageConfig, Threshold
from datagen.imaging.alignment import outside_l1


class FilterOutside(Filter):
    """Drop pairs whose pixels changed outside the edit's mask.

    `outside_l1` is the mean absolute difference of the pixels outside the mask, from 0 to 1, computed in floats.
    AnyEdit's filter subtracts unsigned bytes, so that 10 - 20 is 246 there and its bounds mean nothing. Rejects as
    `changed_outside`.
    """

    reads = ("source", "target", "mask")
    writes = ("outside_l1",)
    rejects = ("changed_outside",)
    thresholds = (Threshold("outside_l1", "most", "max_l1", "changed_outside"),)
    version = 1
    bounds_in_fingerprint = True  # it was a Map in earlier releases

    class Config(StageConfig):
        """A bound on what is measured."""

        max_l1: float = Field(default=0.05, ge=0, le=1)
        """Largest mean difference outside the mask; what a codec adds is 0.01 to 0.02. Our own value."""

    config: Config

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Measure each pair."""
        return [_measured(record) for record in batch]


def _measured(record: Record) -> Answer:
    source, target, mask = record["source"].array, record["target"].array, record["mask"]
    shapes = {source.shape[:2], target.shape[:2], mask.shape}
    if len(shapes) > 1:
        return Failed(f"source, target and mask differ in size: {sorted(shapes)}")
    return {"outside_l1": round(outside_l1(source, target, mask), 4)}
