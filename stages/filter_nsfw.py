"""Drop pictures that are not safe for work."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Filter, Record, StageConfig, Threshold
from datagen.models.nsfw_filters import NsfwConfig


class FilterNsfw(Filter):
    """Keep pictures that a classifier finds harmless.

    Rejects a picture as `nsfw` if the probability of the chosen labels is above `max_score`.
    """

    reads = ("image",)
    writes = ("nsfw",)
    rejects = ("nsfw",)
    thresholds = (Threshold("nsfw", "most", "max_score", "nsfw", by="classifier"),)
    version = 1

    class Config(StageConfig):
        """Who judges, and what goes too far."""

        classifier: NsfwConfig
        """The model that judges, and which of its labels count."""
        max_score: float = Field(ge=0, le=1)
        """Largest probability of these labels that is kept."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the classifier."""
        self.classifier = self.config.classifier.load(device)

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Judge each picture."""
        found = self.classifier([record["image"].array for record in batch])
        return [{"nsfw": round(score, 6)} for score in found]
