"""Boxes that a detector finds for what the instruction names."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.box_proposers.base import BoxCandidate, BoxProposer, EditedPair, on_source, searches
from datagen.models.detectors import DetectorConfig
from datagen.models.detectors.base import Detector
from datagen.models.detectors.found_objects import non_maximum_suppression


class DetectorProposerConfig(ModelConfig):
    """A detector such as Grounding DINO, on the picture that the operation asks for; see `searches`."""

    kind: Literal["detector"] = "detector"
    needs: ClassVar[tuple[str, ...]] = ("op", "object")

    detector: DetectorConfig
    """The model that finds boxes."""
    min_score: float = Field(ge=0, le=1)
    """Least score of a box, on this detector's scale; a low one keeps more candidates."""
    max_overlap: float = Field(default=0.8, ge=0, le=1)
    """Of two boxes of one picture that overlap more (intersection over union) the better one stays."""
    most: int = Field(default=8, ge=1, le=100)
    """Most boxes of each picture."""

    def load(self, device: str, *, runtime: Runtime) -> BoxProposer:  # noqa: ARG002 - it calls no service
        """The proposer. Raises `SetupError` if the detector cannot be loaded."""
        return DetectorProposer(self, self.detector.load(device))


class DetectorProposer:
    """Asks the detector for both pictures of an edit at once."""

    def __init__(self, config: DetectorProposerConfig, detector: Detector) -> None:
        self._config = config
        self._detector = detector

    async def propose(self, pair: EditedPair, *, record: str) -> list[BoxCandidate]:  # noqa: ARG002
        """See `BoxProposer`."""
        wanted = searches(pair)
        images = [(pair.source if side == "source" else pair.target).array for side, _ in wanted]
        found = self._detector(images, [[phrase] for _, phrase in wanted])
        candidates: list[BoxCandidate] = []
        for (side, _), detections in zip(wanted, found, strict=True):
            sure = [one for one in detections if one.score >= self._config.min_score]
            best = non_maximum_suppression(sure, max_overlap=self._config.max_overlap)[: self._config.most]
            by = self._config.detector.kind
            candidates += [BoxCandidate(on_source(one.box, side, pair), by, side, one.score) for one in best]
        return candidates

    async def close(self) -> None:
        """It opened nothing."""
