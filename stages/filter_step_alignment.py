"""Keep plans whose pictures are not moved against each other."""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold
from datagen.imaging.alignment import estimate_alignment


class FilterStepAlignment(Map):
    """Drop plans in which a step moves or scales all of the picture before it, as editing models do.

    `shift` (pixels) and `zoom` are the largest of all steps, each estimated by phase correlation; a step whose pictures
    have almost nothing in common counts as unmoved. Rejects as `moved`, `scaled`, or as `other_shape` if width over
    height differs between two pictures.
    """

    reads = ("turns", "target")
    writes = ("shift", "zoom")
    rejects = ("other_shape", "moved", "scaled")
    thresholds = (
        Threshold("shift", "most", "max_shift", "moved"),
        Threshold("zoom", "most", "max_zoom", "scaled"),
    )
    version = 1

    class Config(StageConfig):
        """Bounds on what is measured, as those of `filter_alignment`."""

        max_shift: float = Field(default=2, ge=0)
        """Most pixels by which a step may move the picture, at its centre."""
        max_zoom: float = Field(default=0.015, ge=0, le=0.25)
        """By which its scale may differ from 1; up to 0.01 is the estimate's own error."""
        max_stretch: float = Field(default=0.03, ge=0)
        """By which width over height may differ between two pictures, as a share."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure each plan, then judge it."""
        return [self._judge(record) for record in batch]

    def _judge(self, record: Record) -> Answer:
        pictures = [*record["turns"], record["target"]]
        shift = zoom = 0.0
        for number, (before, after) in enumerate(pairwise(pictures), 2):
            stretch = (after.size[0] / after.size[1]) / (before.size[0] / before.size[1]) - 1
            if abs(stretch) > self.config.max_stretch:
                sizes = "{}x{} and {}x{}".format(*before.size, *after.size)
                return Reject("other_shape", f"before and after step {number} the picture is {sizes}")
            found = estimate_alignment(before.array, after.array)
            shift, zoom = max(shift, round(found.shift, 2)), max(zoom, round(found.zoom, 4))
        scores = {"shift": shift, "zoom": zoom}
        if shift > self.config.max_shift:
            return Reject("moved", f"by {shift:g} px", scores)
        if zoom > self.config.max_zoom:
            return Reject("scaled", f"by {zoom:g}", scores)
        return scores
