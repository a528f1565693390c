from __future__ import annotations

from typing import Any

from datagen import Answer, Failed, Map, Record, Reject, StageConfig


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
            "detail": Reject("whim", 0.5),  # type: ignore[arg-type]
            "error": Failed(ValueError("odd")),  # type: ignore[arg-type]
        }
        if self.config.how == "count":
            return []
        if self.config.how == "exit":
            raise SystemExit(3)
        if self.config.how == "unasked":
            return [{"contrast": float(len(record["uri"]))} for record in batch]
        return [answers[self.config.how] for _ in batch]
