"""Keep subjects of a useful size."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold


class FilterForeground(Map):
    """Keep subjects that cover neither too little nor too much of the picture.

    The share is of mask pixels, as in MIGE's code, not of the box.
    """

    reads = ("mask",)
    writes = ("foreground_ratio",)
    rejects = ("too_small", "too_large")
    thresholds = (
        Threshold("foreground_ratio", "least", "min_ratio", "too_small"),
        Threshold("foreground_ratio", "most", "max_ratio", "too_large"),
    )
    version = 1

    class Config(StageConfig):
        """Bounds on the share, both included; MIGE appendix B has 0.1 and 0.5."""

        min_ratio: float = Field(default=0.1, ge=0, le=1)
        """Smallest share of the picture."""
        max_ratio: float = Field(default=0.5, ge=0, le=1)
        """Largest share of the picture."""

        @model_validator(mode="after")
        def _ordered(self) -> Self:
            if self.min_ratio > self.max_ratio:
                raise ValueError(f"min_ratio {self.min_ratio} is above max_ratio {self.max_ratio}")
            return self

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure and judge each mask."""
        return [self._judge(round(float(record["mask"].mean()), 6)) for record in batch]

    def _judge(self, ratio: float) -> Answer:
        found = {"foreground_ratio": ratio}
        if ratio < self.config.min_ratio:
            return Reject("too_small", f"{ratio:.4f} of the picture < {self.config.min_ratio}", found)
        if ratio > self.config.max_ratio:
            return Reject("too_large", f"{ratio:.4f} of the picture > {self.config.max_ratio}", found)
        return found
