"""Find the box and the pixels of a subject by its name."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Filter, Record, Reject, StageConfig, Threshold
from datagen.imaging.geometry import bounds, overlap
from datagen.models.detectors import DetectorConfig
from datagen.models.detectors.base import Detection
from datagen.models.segmenters import BoxSegmenterConfig
from datagen.models.segmenters.base import NOTHING, Segmentation, segment_each


class GroundSubject(Filter):
    """Find the subject's best box by its name, and mask it: Grounded-SAM (arXiv:2401.14159) in one stage.

    Records of one picture are segmented together, so that it is encoded once for all their boxes. Rejects as
    `no_subject` if no box reaches `min_score`, as `no_mask` if no pixel belongs to the subject, and as `box_mismatch`
    if the mask lies elsewhere than its box.
    """

    reads = ("image", "subject")
    writes = ("box", "mask", "box_score", "mask_fit")
    rejects = ("no_subject", "no_mask", "box_mismatch")
    thresholds = (
        Threshold("box_score", "least", "min_score", "no_subject", by="detector"),
        Threshold("mask_fit", "least", "min_mask_fit", "box_mismatch"),
    )
    version = 1

    class Config(StageConfig):
        """Which models, and what is good enough."""

        detector: DetectorConfig
        """The model that boxes the subject."""
        segmenter: BoxSegmenterConfig
        """The model that finds its pixels in the box."""
        min_score: float = Field(ge=0, le=1)
        """Least score of the box, on this detector's scale; Grounding DINO's authors take 0.35."""
        min_mask_fit: float = Field(default=0, ge=0, le=1)
        """Least overlap, intersection over union, of the mask's bounds with the box; 0 takes any mask."""

    config: Config

    def setup(self, device: str) -> None:
        """Load both models."""
        self.detector = self.config.detector.load(device)
        self.segmenter = self.config.segmenter.load(device)

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Detect, then mask the best box of each record."""
        images = [record["image"].array for record in batch]
        found = self.detector(images, [[record["subject"]] for record in batch])
        best = {place: things[0] for place, things in enumerate(found) if things}
        jobs = [(images[place], thing.box, NOTHING) for place, thing in best.items()]
        masks = iter(segment_each(self.segmenter, each=jobs))
        return [_answer(best[n], next(masks)) if n in best else _nothing(record) for n, record in enumerate(batch)]


def _nothing(record: Record) -> Answer:
    return Reject("no_subject", f"nothing was found for '{record['subject']:.100}'", {"box_score": 0, "mask_fit": 0})


def _answer(thing: Detection, found: Segmentation) -> Answer:
    fields = {"box": thing.box, "box_score": round(thing.score, 4)}
    if not found.mask.any():
        box = [round(edge, 1) for edge in thing.box]
        return Reject("no_mask", f"no pixel of box {box} belongs to the subject", {**fields, "mask_fit": 0})
    return {**fields, "mask": found.mask, "mask_fit": round(overlap(bounds(found.mask), thing.box), 4)}
