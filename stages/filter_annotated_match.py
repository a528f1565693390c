"""Keep edits that match their words, by a score that the dataset annotates."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold


class FilterAnnotatedMatch(Map):
    """Drop edits whose annotated match score is low or missing.

    MIGE keeps SEED-Data-Edit's pairs above 0.3 (appendix B); here 0.3 itself is kept too. No model runs: what the score
    means depends on the dataset. Rejects as `poor_match` or `no_match_score`.
    """

    optional = ("annotated_match",)
    rejects = ("poor_match", "no_match_score")
    thresholds = (Threshold("annotated_match", "least", "min_score", "poor_match"),)
    version = 1

    class Config(StageConfig):
        """Bound."""

        min_score: float = Field(default=0.3)
        """Smallest score that is kept."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Judge each record's score."""
        return [self._judge(record.get("annotated_match")) for record in batch]

    def _judge(self, score: float | None) -> Answer:
        if score is None:
            return Reject("no_match_score", "the source gives none")
        return Reject("poor_match", f"{score:g} < {self.config.min_score:g}") if score < self.config.min_score else {}
