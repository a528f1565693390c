"""Find the subject of a picture by its name, and its pixels."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold
from datagen.geometry import bounds, overlap
from datagen.models.detector import Detection, DetectorConfig
from datagen.models.segmenter import NOTHING, BoxSegmenterConfig, Segmentation, segment_each


class GroundSubject(Map):
    """Box what the subject's name finds best, and mask it: Grounded-SAM (arXiv:2401.14159) in one stage.

    Records of one picture are segmented together, so that it is encoded once for all their boxes.
    """

    reads = ("image", "subject")
    writes = ("box", "mask", "box_score")
    rejects = ("no_subject", "no_mask", "box_mismatch")
    thresholds = (Threshold("box_score", "least", "min_score", "no_subject", by="detector"),)
    version = 1

    class Config(StageConfig):
        """Which models, and how sure the detector has to be."""

        detector: DetectorConfig
        """The model that boxes the subject."""
        segmenter: BoxSegmenterConfig
        """The model that finds its pixels in the box."""
        min_score: float = Field(ge=0, le=1)
        """Least score of the box, on this detector's scale; Grounding DINO's authors take 0.35."""
        min_box_iou: float = Field(default=0, ge=0, le=1)
        """Least overlap, intersection over union, of the mask's bounds with the box; 0 takes any mask."""

    config: Config

    def setup(self, device: str) -> None:
        """Load both models."""
        self.detector = self.config.detector.load(device)
        self.segmenter = self.config.segmenter.load(device)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Detect, then segment what was found well enough."""
        found = self.detector([record["image"].array for record in batch], [[record["subject"]] for record in batch])
        best = [things[0] if things else None for things in found]
        kept = [place for place, thing in enumerate(best) if thing and thing.score >= self.config.min_score]
        asked = [(batch[place]["image"].array, best[place].box, NOTHING) for place in kept]  # type: ignore[union-attr]
        masks = dict(zip(kept, segment_each(self.segmenter, each=asked), strict=True))
        return [self._answer(batch[n], best[n], masks.get(n)) for n in range(len(batch))]

    def _answer(self, record: Record, thing: Detection | None, found: Segmentation | None) -> Answer:
        name = record["subject"]
        if thing is None:
            return Reject("no_subject", f"nothing was found for '{name:.100}'", {"box_score": 0.0})
        told = {"box": thing.box, "box_score": round(thing.score, 4)}
        if found is None:
            return Reject("no_subject", f"'{name:.100}' scores {thing.score:.3f} < {self.config.min_score}", told)
        if not found.mask.any():
            return Reject("no_mask", f"no pixel of box {_plain(thing)} belongs to '{name:.100}'", told)
        iou = overlap(bounds(found.mask), thing.box)
        if iou < self.config.min_box_iou:
            spans = f"the mask spans {list(bounds(found.mask))}, the box is {_plain(thing)}"
            return Reject("box_mismatch", f"{spans}: overlap {iou:.2f} < {self.config.min_box_iou}", told)
        return {**told, "mask": found.mask}


def _plain(thing: Detection) -> list[float]:
    return [round(edge, 1) for edge in thing.box]
