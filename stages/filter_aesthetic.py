"""Drop pictures that people would not like to look at."""

from __future__ import annotations

from datagen import Answer, Filter, Record, StageConfig, Threshold
from datagen.models.aesthetics import PredictorConfig


class FilterAesthetic(Filter):
    """Keep pictures that an aesthetic predictor scores high enough.

    MIGE (appendix B) keeps pictures above 5 for additions and above 5.5 for other edits; which predictor
    it took is not said. Each has a scale of its own, so that the bound stands beside the predictor. Here the bound
    itself is kept, as of every threshold.
    """

    reads = ("image",)
    writes = ("aesthetic",)
    rejects = ("low_aesthetic",)
    thresholds = (Threshold("aesthetic", "least", "min_score", "low_aesthetic", by="predictor"),)
    version = 1

    class Config(StageConfig):
        """Who scores, and what is enough."""

        predictor: PredictorConfig
        """The model that scores."""
        min_score: float
        """Least score that is kept, on this predictor's scale."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the predictor."""
        self.predictor = self.config.predictor.load(device)

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Score each picture."""
        found = self.predictor([record["image"].array for record in batch])
        return [{"aesthetic": round(score, 6)} for score in found]
