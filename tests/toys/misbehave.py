from __future__ import annotations

from typing import Any

from datagen import Answer, Map, Record, Reject, StageConfig


class Misbehave(Map):
    """Break one of the promises of a stage, whichever `how` names."""

    reads = ("caption",)
    writes = ("contrast",)

    class Config(StageConfig):
        """Which."""

        how: str

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        answers: dict[str, Any] = {
            "extra": {"contrast": 0.5, "sharpness": 1.0},
            "missing": {},
            "kind": {"contrast": "high"},
            "nan": {"contrast": float("nan")},
            "reason": Reject("whim"),
            "type": None,
        }
        if self.config.how == "count":
            return []
        if self.config.how == "unasked":
            return [{"contrast": float(len(record["uri"]))} for record in batch]
        return [answers[self.config.how] for _ in batch]
