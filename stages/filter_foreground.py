"""Keep subjects that have a useful size."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Filter, Record, StageConfig, Threshold


class FilterForeground(Filter):
    """Keep subjects that cover neither too little nor too much of the picture.

    The share is of mask pixels, as in MIGE's code, not of the box. Rejects as `too_small` or `too_large`.
    """

    reads = ("mask",)
    writes = ("foreground_ratio",)
    rejects = ("too_small", "too_large")
    thresholds = (
        Threshold("foreground_ratio", "least", "min_ratio", "too_small"),
        Threshold("foreground_ratio", "most", "max_ratio", "too_large"),
    )
    version = 1
    bounds_in_fingerprint = True  # it was a Map in earlier releases

    class Config(StageConfig):
        """Bounds on the share, both included; MIGE appendix B has 0.1 and 0.5."""

        ordered_pairs = (("min_ratio", "max_ratio"),)

        min_ratio: float = Field(default=0.1, ge=0, le=1)
        """Smallest share of the picture."""
        max_ratio: float = Field(default=0.5, ge=0, le=1)
        """Largest share of the picture."""

    config: Config

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Measure each mask."""
        return [{"foreground_ratio": round(float(record["mask"].mean()), 6)} for record in batch]
