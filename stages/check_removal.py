"""Keep removals that look right."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold


class CheckRemoval(Map):
    """Drop bad removals, by the scores of `measure_removal`.

    Rejects for the first of these faults: pixels outside the hole changed (`outside_changed`), the subject is still
    there (`unchanged`), the edge of the hole shows (`visible_seam`), the hole lacks texture (`smeared`), or it is
    unlike the rest of the picture (`implausible`).
    """

    reads = ("outside_change", "inside_change", "seam", "texture", "strangeness")
    rejects = ("outside_changed", "unchanged", "visible_seam", "smeared", "implausible")
    thresholds = (
        Threshold("outside_change", "most", "max_outside_change", "outside_changed"),
        Threshold("inside_change", "least", "min_inside_change", "unchanged"),
        Threshold("seam", "most", "max_seam", "visible_seam"),
        Threshold("texture", "least", "min_texture", "smeared"),
        Threshold("strangeness", "most", "max_strangeness", "implausible"),
    )
    version = 2

    class Config(StageConfig):
        """Bounds, tuned by looking at the demo's removals; see docs/inpainting.md."""

        max_outside_change: float = Field(default=0, ge=0, le=255)
        """Grey levels by which any pixel outside the hole may differ."""
        min_inside_change: float = Field(default=4, ge=0, le=255)
        """Mean grey levels by which the subject's pixels must differ."""
        max_seam: float = Field(default=2.5, ge=0)
        """Step across the hole's edge, over the step beside it."""
        min_texture: float = Field(default=0.2, ge=0)
        """Fine texture in the hole over that around it."""
        max_strangeness: float = Field(default=0.5, ge=0)
        """How unlike the rest of the picture the hole is, times how deep it is; see `strangeness`."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Judge each removal by its scores."""
        return [self._judge(record) for record in batch]

    def _judge(self, found: Record) -> Answer:
        limits = self.config
        faults = (
            ("outside_changed", found["outside_change"] > limits.max_outside_change, found["outside_change"]),
            ("unchanged", found["inside_change"] < limits.min_inside_change, found["inside_change"]),
            ("visible_seam", found["seam"] > limits.max_seam, found["seam"]),
            ("smeared", found["texture"] < limits.min_texture, found["texture"]),
            ("implausible", found["strangeness"] > limits.max_strangeness, found["strangeness"]),
        )
        return next((Reject(reason, f"measured {value:g}") for reason, fault, value in faults if fault), {})
