"""Keep things whose box has a useful size."""

from __future__ import annotations

import math

from pydantic import Field

from datagen import Answer, Failed, Filter, Record, Reject, StageConfig, Threshold
from datagen.imaging.geometry import check_box, clipped


class FilterBox(Filter):
    """Keep things whose box covers neither too little nor too much of the picture.

    It needs no mask, so it is cheaper than `filter_foreground`. Rejects as `too_small` or `too_large`, and as `no_box`
    a thing without a box, which is one of NaN. A box that is not on its picture fails its record.
    """

    reads = ("image", "box")
    writes = ("box_ratio",)
    rejects = ("no_box", "too_small", "too_large")
    thresholds = (
        Threshold("box_ratio", "least", "min_ratio", "too_small"),
        Threshold("box_ratio", "most", "max_ratio", "too_large"),
    )
    version = 1
    bounds_in_fingerprint = True  # it was a Map in earlier releases

    class Config(StageConfig):
        """Bounds on the share, both included; MIGE's appendix B has 0.05 and 0.8, and 0.1 and 0.85 elsewhere."""

        ordered_pairs = (("min_ratio", "max_ratio"),)

        min_ratio: float = Field(default=0.05, ge=0, le=1)
        """Smallest share of the picture."""
        max_ratio: float = Field(default=0.8, ge=0, le=1)
        """Largest share of the picture."""

    config: Config

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Measure each box."""
        return [_measured(record) for record in batch]


def _measured(record: Record) -> Answer:
    size = record["image"].size
    # NaN is how `expand_objects` and `expand_entities` write that there is no box
    if all(map(math.isnan, record["box"])):
        return Reject("no_box", "nothing tells where in the picture it is")
    if fault := check_box(record["box"], size):
        return Failed(fault)
    x0, y0, x1, y1 = clipped(record["box"], size)
    return {"box_ratio": round((x1 - x0) * (y1 - y0) / (size[0] * size[1]), 6)}
