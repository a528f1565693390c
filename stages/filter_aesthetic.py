"""Keep pictures that people would like to look at."""

from __future__ import annotations

from datagen import Answer, Filter, Record, StageConfig, Threshold
from datagen.models.aesthetics import PredictorConfig


class FilterAesthetic(Filter):
    """Keep pictures that an aesthetic predictor scores high enough.

    MIGE keeps pictures above 5 for additions and above 5.5 for other edits (appendix B), and does not say which
    predictor it took. Each predictor has its own scale, so set `min_score` together with it. A score equal to the bound
    is kept, as for every threshold. Rejects the others as `low_aesthetic`.
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
