"""Detect the objects of pictures that have no annotations."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.imaging.image import Mask, Pixels
from datagen.models.detectors import DetectorConfig
from datagen.models.detectors.base import Detection
from datagen.models.detectors.found_objects import Phrases, distinct, needed_by, object_of, phrases_for
from datagen.models.segmenters import BoxSegmenterConfig
from datagen.models.segmenters.base import Scene


class DetectObjects(Map):
    """Detect objects by phrases, best first, and mask them if a segmenter is given.

    If a picture has `annotated` objects, they are used and no model is called. If the source itself gives `objects`,
    rename both: `map: {annotated: objects, objects: found_objects}`. Rejects a picture without any as `no_object`. The
    bounds decide which boxes are masked, so another bound runs both models again on all pictures.
    """

    reads = ("image",)
    optional = ("annotated",)
    writes = ("objects",)
    rejects = ("no_object",)
    version = 1

    class Config(StageConfig):
        """Which models, what is looked for, and what counts as found."""

        detector: DetectorConfig
        """The model that boxes objects."""
        segmenter: BoxSegmenterConfig | None = None
        """The model that finds their pixels; it encodes a picture once for all its boxes. Null: boxes alone."""
        phrases: Phrases
        """What is looked for: words, or a field in braces such as `{subject}`, with a phrase or a list of them."""
        min_score: float = Field(ge=0, le=1)
        """Least score of a box, on this detector's scale; Grounding DINO's authors take 0.35."""
        max_overlap: float = Field(default=0.8, ge=0, le=1)
        """Of two boxes that overlap more (intersection over union) the better one stays; Grounded-SAM has 0.8."""
        max_objects: int = Field(default=100, ge=1)
        """Most objects of a picture."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """The picture, and the fields that phrases come from."""
        return (*cls.reads, *needed_by(config.phrases))

    def setup(self, device: str) -> None:
        """Load the models."""
        self.detector = self.config.detector.load(device)
        self.segmenter = self.config.segmenter.load(device) if self.config.segmenter else None

    def process(self, batch: list[Record]) -> list[Answer]:
        """Detect objects in the pictures that have no annotations, then mask them."""
        phrases_of = [[] if record.get("annotated") else phrases_for(record, self.config.phrases) for record in batch]
        places = [place for place, phrases in enumerate(phrases_of) if phrases]
        images = [batch[place]["image"].array for place in places]
        found = self.detector(images, [phrases_of[place] for place in places])
        objects = dict(zip(places, self._objects(images, [self._select(things) for things in found]), strict=True))
        best = {place: things[0].score for place, things in zip(places, found, strict=True) if things}
        return [self._answer(record, objects.get(n, []), best.get(n)) for n, record in enumerate(batch)]

    def _select(self, found: list[Detection]) -> list[Detection]:
        """The boxes that count: sure, distinct, and not too many."""
        sure = [one for one in found if one.score >= self.config.min_score]
        return distinct(sure, max_overlap=self.config.max_overlap)[: self.config.max_objects]

    def _objects(self, images: list[Pixels], selected: list[list[Detection]]) -> list[list[dict[str, Any]]]:
        if self.segmenter is None:
            return [[_object(one) for one in things] for things in selected]
        scenes = [Scene(image, [one.box for one in things]) for image, things in zip(images, selected, strict=True)]
        masks = self.segmenter(scenes)
        pairs = [zip(things, found, strict=True) for things, found in zip(selected, masks, strict=True)]
        return [[_object(one, found.mask) for one, found in pair if found.mask.any()] for pair in pairs]

    def _answer(self, record: Record, objects: list[dict[str, Any]], best: float | None) -> Answer:
        if record.get("annotated"):
            return {"objects": record["annotated"]}
        if objects:
            return {"objects": objects}
        if best is None:
            return Reject("no_object", "there is nothing to look for, or nothing was found")
        return Reject("no_object", f"the best box scores {best:.3f}, {self.config.min_score} is asked for")


def _object(found: Detection, mask_HW: Mask | None = None) -> dict[str, Any]:
    return object_of(found.label, box=found.box, mask=mask_HW, score=found.score)
