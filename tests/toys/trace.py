from __future__ import annotations

from datagen import Answer, Map, Record, StageConfig
from datagen.models.segmenters import SegmenterConfig
from datagen.models.segmenters.grabcut import GrabCutConfig


class Trace(Map):
    """Name a model and call it never: for what is asked of options that hold one."""

    reads = ("uri",)
    writes = ("clipped",)

    class Config(StageConfig):
        """Which."""

        segmenter: SegmenterConfig = GrabCutConfig()

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{"clipped": 0.0} for _ in batch]
