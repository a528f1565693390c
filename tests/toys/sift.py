from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig


class Sift(Map):
    """Reject a seeded share of the records."""

    reads = ("uri",)
    writes = ("contrast",)
    rejects = ("unlucky",)

    class Config(StageConfig):
        """How many."""

        share: float = Field(default=0.3, ge=0, le=1)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._judge(float(self.rng(record).random())) for record in batch]

    def _judge(self, drawn: float) -> Answer:
        if drawn < self.config.share:
            return Reject("unlucky", f"drew {drawn:.3f}", {"contrast": drawn})
        return {"contrast": drawn}
