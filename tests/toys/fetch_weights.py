from __future__ import annotations

from pathlib import Path
from typing import Literal

from datagen import Answer, Map, Record, StageConfig
from datagen.models.weights.config import WeightsConfig


class CountedConfig(WeightsConfig):
    """Weights that are one file, which tells how often it was fetched."""

    kind: Literal["counted"] = "counted"

    def fetch(self) -> None:
        """Note that it was."""
        place = self.weights_path()
        place.write_text(place.read_text() + "x")


class FetchWeights(Map):
    """Tell how often the weights were fetched."""

    reads = ("uri",)
    writes = ("subject",)

    class Config(StageConfig):
        """Which weights."""

        model: CountedConfig

    config: Config

    def setup(self, device: str) -> None:
        self.config.model.prepare(device)
        self.text = Path(self.config.model.weights).read_text()

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{"subject": self.text} for _ in batch]
