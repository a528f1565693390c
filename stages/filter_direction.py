"""Drop pairs whose pictures do not change as their captions do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Filter, Record, Reject, StageConfig, Threshold
from datagen.models.scorers import ScorerConfig

Embeddings = NDArray[np.float32]


class FilterDirection(Filter):
    """Keep pairs whose pictures match their captions and change in the same direction as these.

    From InstructPix2Pix, section 3.1.2. With CLIP ViT-L/14 its code keeps cosines of at least 0.2 between each picture
    and its caption, 0.2 between the difference of the pictures and that of the captions, and 0.7 between the pictures.
    Equal pictures or captions have no direction; the cosine is then 0. Rejects as `source_mismatch`, `target_mismatch`,
    `wrong_direction` or `too_different`, and as `no_text` a pair that lacks a caption.
    """

    reads = ("source", "target", "source_caption", "target_caption")
    writes = ("source_match", "target_match", "direction", "similarity")
    rejects = ("source_mismatch", "target_mismatch", "wrong_direction", "too_different", "no_text")
    thresholds = (
        Threshold("source_match", "least", "min_source_match", "source_mismatch", by="scorer"),
        Threshold("target_match", "least", "min_target_match", "target_mismatch", by="scorer"),
        Threshold("direction", "least", "min_direction", "wrong_direction", by="scorer"),
        Threshold("similarity", "least", "min_similarity", "too_different", by="scorer"),
    )
    version = 1

    class Config(StageConfig):
        """Who scores, and what is enough."""

        scorer: ScorerConfig
        """The model that scores."""
        min_source_match: float = Field(ge=-1, le=1)
        """Least cosine of the source with its caption."""
        min_target_match: float = Field(ge=-1, le=1)
        """Least cosine of the target with its caption."""
        min_direction: float = Field(ge=-1, le=1)
        """Least cosine of the difference of the pictures with that of the captions."""
        min_similarity: float = Field(ge=-1, le=1)
        """Least cosine of source and target."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the scorer."""
        self.scorer = self.config.scorer.load(device)

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Compare the pictures and captions of each pair."""
        faults = [_fault(record) for record in batch]
        sound = [record for record, fault in zip(batch, faults, strict=True) if fault is None]
        scores = iter(self._scores(sound) if sound else ())
        return [next(scores) if fault is None else fault for fault in faults]

    def _scores(self, records: list[Record]) -> list[dict[str, float]]:
        # embeddings have length 1, but their differences have not: `_cosines` divides by it
        sources, targets = (self.scorer([record[name].array for record in records]) for name in _SIDES)
        before, after = (self.scorer.texts([record[f"{name}_caption"] for record in records]) for name in _SIDES)
        found = {
            "source_match": _cosines(sources, before),
            "target_match": _cosines(targets, after),
            "direction": _cosines(targets - sources, after - before),
            "similarity": _cosines(sources, targets),
        }
        return [{name: round(float(values[row]), 6) for name, values in found.items()} for row in range(len(records))]


_SIDES = ("source", "target")


def _fault(record: Record) -> Reject | None:
    blank = [f"{side}_caption" for side in _SIDES if not record[f"{side}_caption"].strip()]
    return Reject("no_text", f"blank: {', '.join(blank)}") if blank else None


def _cosines(one_ND: Embeddings, other_ND: Embeddings) -> Embeddings:
    """The cosine of each row with the row of the other array, as (N,); 0 where a row is all zeros."""
    lengths = np.linalg.norm(one_ND, axis=1) * np.linalg.norm(other_ND, axis=1)
    inner: Embeddings = np.sum(one_ND * other_ND, axis=1)
    inner[lengths > 0] /= lengths[lengths > 0]
    return inner
