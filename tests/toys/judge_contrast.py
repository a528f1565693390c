from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold


class JudgeContrast(Map):
    """Draw a contrast and hold it against a bound."""

    reads = ("uri",)
    writes = ("contrast",)
    rejects = ("flat",)
    thresholds = (Threshold("contrast", "least", "min_contrast", "flat"),)

    class Config(StageConfig):
        """The bound."""

        min_contrast: float = Field(default=0.3, ge=0, le=1)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._judge(float(self.rng(record).random())) for record in batch]

    def _judge(self, drawn: float) -> Answer:
        return Reject("flat", "", {"contrast": drawn}) if drawn < self.config.min_contrast else {"contrast": drawn}
