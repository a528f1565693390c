"""Keep things whose box is of a useful size."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from datagen import Answer, Failed, Map, Record, Reject, StageConfig, Threshold
from datagen.imaging.geometry import check_box, clipped


class FilterBox(Map):
    """Keep things whose box covers neither too little nor too much of the picture.

    Cheaper than `filter_foreground`, as it needs no mask. A thing without a box, which is one of NaN, is rejected
    as `no_box`; a box that is not on its picture fails its record.
    """

    reads = ("image", "box")
    writes = ("box_ratio",)
    rejects = ("no_box", "too_small", "too_large")
    thresholds = (
        Threshold("box_ratio", "least", "min_ratio", "too_small"),
        Threshold("box_ratio", "most", "max_ratio", "too_large"),
    )
    version = 1

    class Config(StageConfig):
        """Bounds on the share, both included; MIGE's appendix B has 0.05 and 0.8, and 0.1 and 0.85 elsewhere."""

        min_ratio: float = Field(default=0.05, ge=0, le=1)
        """Smallest share of the picture."""
        max_ratio: float = Field(default=0.8, ge=0, le=1)
        """Largest share of the picture."""

        @model_validator(mode="after")
        def _ordered(self) -> Self:
            if self.min_ratio > self.max_ratio:
                raise ValueError(f"min_ratio {self.min_ratio} is above max_ratio {self.max_ratio}")
            return self

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure and judge each box."""
        return [self._judge(record) for record in batch]

    def _judge(self, record: Record) -> Answer:
        size = record["image"].size
        if all(map(math.isnan, record["box"])):
            return Reject("no_box", "nothing tells where in the picture it is")
        if fault := check_box(record["box"], size):
            return Failed(fault)
        x0, y0, x1, y1 = clipped(record["box"], size)
        ratio = round((x1 - x0) * (y1 - y0) / (size[0] * size[1]), 6)
        found = {"box_ratio": ratio}
        if ratio < self.config.min_ratio:
            return Reject("too_small", f"{ratio:.4f} of the picture < {self.config.min_ratio}", found)
        if ratio > self.config.max_ratio:
            return Reject("too_large", f"{ratio:.4f} of the picture > {self.config.max_ratio}", found)
        return found
