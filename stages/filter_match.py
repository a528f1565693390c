"""Drop pictures that do not show what a text says."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pydantic
from pydantic import Field

from datagen import Answer, Failed, Filter, Record, Reject, StageConfig, Threshold
from datagen.models.scorers import ScorerConfig
from datagen.models.templates import fields_in, worded


class FilterMatch(Filter):
    """Keep pictures that match a text, by the cosine of their embeddings.

    MIGE (appendix B) requires 0.255 between a picture and its caption, and again between a segmented subject and "a
    photo of {subject}". Rejects as `no_match`, and as `no_text` a record whose text is blank.
    """

    reads = ("image",)
    writes = ("match",)
    rejects = ("no_match", "no_text")
    thresholds = (Threshold("match", "least", "min_score", "no_match", by="scorer"),)
    version = 1

    class Config(StageConfig):
        """Who scores, what is compared, and what is enough."""

        scorer: ScorerConfig
        """The model that scores."""
        text: str = Field(min_length=1)
        """What the picture should show; fields of the record stand in braces: `a photo of {subject}`, `{caption}`."""
        picture: Literal["image", "refs"] = "image"
        """What is looked at: `image`, or the first of `refs`, such as a subject cut out on white."""
        min_score: float = Field(ge=-1, le=1)
        """Least cosine that is kept, for this scorer."""

        @pydantic.field_validator("text")
        @classmethod
        def _sound(cls, text: str) -> str:
            fields_in(text)
            return text

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """The picture, and the fields that the text names."""
        return (config.picture, *fields_in(config.text))

    def setup(self, device: str) -> None:
        """Load the scorer."""
        self.scorer = self.config.scorer.load(device)

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Compare each picture with its text."""
        faults = [self._fault(record) for record in batch]
        sound = [record for record, fault in zip(batch, faults, strict=True) if fault is None]
        scores = iter(self._scores(sound) if sound else ())
        return [{"match": next(scores)} if fault is None else fault for fault in faults]

    def _fault(self, record: Record) -> Answer | None:
        if self.config.picture == "refs" and not record["refs"]:
            return Failed("it has no reference picture, `refs` is empty")
        if not worded(self.config.text, record).strip():
            return Reject("no_text", f"a field of '{self.config.text}' is blank")
        return None

    def _scores(self, records: list[Record]) -> list[float]:
        pictures = [record["refs"][0] if self.config.picture == "refs" else record["image"] for record in records]
        images_ND = self.scorer([picture.array for picture in pictures])
        texts_ND = self.scorer.texts([worded(self.config.text, record) for record in records])
        return [round(float(score), 6) for score in np.sum(images_ND * texts_ND, axis=1)]
