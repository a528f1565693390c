from __future__ import annotations

from pathlib import Path

from pydantic import Field

from datagen import Answer, Filter, Record, Reject, StageConfig, Threshold
from datagen.models.segmenters import SegmenterConfig
from datagen.models.segmenters.annotated import AnnotatedConfig


class Weigh(Filter):
    """Draw a contrast, note that it did, and hold it against bounds; some records cannot be weighed."""

    reads = ("uri",)
    writes = ("contrast",)
    rejects = ("light", "heavy", "unweighable")
    thresholds = (
        Threshold("contrast", "least", "min_contrast", "light", by="model"),
        Threshold("contrast", "most", "max_contrast", "heavy", by="model"),
    )

    class Config(StageConfig):
        """The bounds, and where it notes."""

        model: SegmenterConfig = Field(default=AnnotatedConfig())
        folder: str
        min_contrast: float
        max_contrast: float | None = None
        unweighable: str = ""

    config: Config

    def measure(self, batch: list[Record]) -> list[Answer]:
        with (Path(self.config.folder) / f"{self.id}.log").open("a") as file:
            file.writelines(f"{record.id}\n" for record in batch)
        return [self._weighed(record) for record in batch]

    def _weighed(self, record: Record) -> Answer:
        if record.id == self.config.unweighable:
            return Reject("unweighable")
        return {"contrast": float(self.rng(record).random())}
