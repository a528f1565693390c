"""Keep pairs whose target is not moved against its source."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold
from datagen.imaging.alignment import estimate_alignment


class FilterAlignment(Map):
    """Drop pairs whose target is moved or scaled against its source.

    Editing models do so to whole pictures, and a model that is trained on such pairs learns to move what it should
    keep. `shift` (pixels of the source) and `zoom` are estimated by phase correlation. A pair counts as unmoved where
    that is not possible, such as one whose pictures have almost nothing in common. Rejects as `moved`, `scaled`, or as
    `other_shape` if width over height differs.
    """

    reads = ("source", "target")
    writes = ("shift", "zoom")
    rejects = ("other_shape", "moved", "scaled")
    thresholds = (
        Threshold("shift", "most", "max_shift", "moved"),
        Threshold("zoom", "most", "max_zoom", "scaled"),
    )
    version = 2

    class Config(StageConfig):
        """Bounds on what is measured; the values are our own, no paper gives any."""

        max_shift: float = Field(default=2, ge=0)
        """Most pixels of the source by which the target may be moved, at its centre."""
        max_zoom: float = Field(default=0.015, ge=0, le=0.25)
        """By which its scale may differ from 1; up to 0.01 is the estimate's own error."""
        max_stretch: float = Field(default=0.03, ge=0)
        """By which width over height may differ between source and target, as a share."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure each pair, then judge it."""
        return [self._judge(record) for record in batch]

    def _judge(self, record: Record) -> Answer:
        source, target = record["source"], record["target"]
        stretch = (target.size[0] / target.size[1]) / (source.size[0] / source.size[1]) - 1
        if abs(stretch) > self.config.max_stretch:
            sizes = "{}x{} and {}x{}".format(*source.size, *target.size)
            return Reject("other_shape", f"source and target are {sizes}")
        found = estimate_alignment(source.array, target.array)
        # rounded before they are judged, so that a score and its rejection agree
        scores = {"shift": round(found.shift, 2), "zoom": round(found.zoom, 4)}
        detail = f"moved by {found.x:.1f} right, {found.y:.1f} down, scaled by {found.scale:.3f}"
        if scores["shift"] > self.config.max_shift:
            return Reject("moved", detail, scores)
        if scores["zoom"] > self.config.max_zoom:
            return Reject("scaled", detail, scores)
        return scores
