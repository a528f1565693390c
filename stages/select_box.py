"""Choose the box of an edit among its candidates."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field as Option
from pydantic import model_validator

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.core.fields import Box
from datagen.imaging.box_rule import (
    WEIGHTS,
    MapKind,
    best_box,
    box_around_parts,
    box_fault,
    box_terms,
    candidate_row,
    corrected_score,
    masked_out,
)
from datagen.imaging.change_map import Floats, cached_pixel_map, chosen_map, is_untouched
from datagen.imaging.geometry import clip_box, resize
from datagen.imaging.map_boxes import OWN_BOX, EditParts, edit_parts, is_unchanged, own_boxes, without_parts
from datagen.models.box_proposers.base import is_global_edit, most_places
from datagen.models.dense_encoders import DenseEncoderConfig
from datagen.models.similarities import SimilarityConfig


class SelectBox(Map):
    """Choose the box of an edit among its candidates, by a map of the change or by what is left outside of each box.

    Rule `corrected` takes the box that holds the change, has changed inside, and at whose edge the change ends. Rule
    `published` is equation 1 of MCIE: with each box masked out of both pictures, it takes the box whose pair is most
    similar; the whole frame always is, see `largest_share`. Of scores within 1e-6 the smaller box wins, then the first.
    `box_terms` lists what each candidate got, or its `fault`; its `score` there and `box_score` are by the chosen rule.

    An edit of several places, such as a move or "add two cups" (`parts`), gets the box around those that changed: the
    best candidate for each of them.

    The parts of the map that are the edit's are the largest ones, as many as it has places; what changed elsewhere does
    not count. Where that is nearly as much (`max_rival`), pixels cannot say which one is the edit: `unsure`.

    The box of a global edit is the frame, unscored (`box_score` 0). Rejects as `unchanged` a pair that shows no change,
    as `no_box` one whose candidates are all at fault, as `too_large` a local edit whose box is more than 0.9 of the
    frame, and as `unsure` an edit of one place whose box has a low score, and one beside which another place changed.
    """

    reads = ("source", "target", "box_candidates")
    optional = ("op", "scope", "parts")
    writes = ("box", "box_score", "box_terms")
    rejects = ("unchanged", "no_box", "too_large", "unsure")
    version = 3

    class Config(StageConfig):
        """Which rule, and what it compares."""

        rule: Literal["corrected", "published"] = "corrected"
        """Which rule chooses."""
        map: MapKind = "pixels"
        """What the corrected rule's map compares: `pixels`, features of an `encoder`, or the mean of `both`."""
        encoder: DenseEncoderConfig | None = None
        """The model whose features are compared; for `map: encoder` and `map: both`."""
        similarity: SimilarityConfig | None = None
        """What compares the masked pictures; for rule `published`. With rule `corrected` it is only written down."""
        largest_share: float = Option(default=1, gt=0, le=1)
        """Rule `published` takes no box above this share of the frame. As published it is 1: nothing is barred."""
        max_share: float = Option(default=0.9, gt=0, le=1)
        """Largest share of the frame of a local edit's box; rule `corrected` takes no larger one."""
        min_score: float = Option(default=-1, ge=-1, le=1.4)
        """Least score by the chosen rule; `corrected` gives about 1 to a box that the change fills."""
        max_rival: float = Option(default=0.6, gt=0)
        """Largest change at a place elsewhere, as a share of that at the edit's own place; our own value."""

        @model_validator(mode="after")
        def _check_models(self) -> Self:
            if self.rule == "published" and self.similarity is None:
                raise ValueError("rule 'published' compares masked pictures: give `similarity`, such as {kind: pixels}")
            if (self.map == "pixels") != (self.encoder is None):
                wanted = "needs an `encoder`" if self.encoder is None else "uses no `encoder`: leave it out"
                raise ValueError(f"map '{self.map}' {wanted}")
            return self

    config: Config

    def setup(self, device: str) -> None:
        """Load the models."""
        self.encoder = self.config.encoder.load(device) if self.config.encoder else None
        self.similarity = self.config.similarity.load(device) if self.config.similarity else None

    def process(self, batch: list[Record]) -> list[Answer]:
        """Choose the box of each edit."""
        return [self._choose(record) for record in batch]

    def _choose(self, record: Record) -> Answer:
        source, target, size = record["source"].array, record["target"].array, record["source"].size
        pixels_HW = cached_pixel_map.map(source, target)
        unchanged, corrects = is_unchanged(pixels_HW), self.config.rule == "corrected"
        op, scope, parts = (record.get(name) for name in ("op", "scope", "parts"))
        if is_global_edit(op=op, scope=scope, parts=parts or ()):
            if unchanged and is_untouched(source, target):
                return Reject("unchanged", "source and target show the same")
            return {"box": (0.0, 0.0, *map(float, size)), "box_score": 0.0, "box_terms": []}
        if unchanged:
            return Reject("unchanged", "nothing differs beyond what noise and a codec do")
        share = self.config.max_share if corrects else self.config.largest_share
        places = most_places(parts or ()) if corrects else 1
        own, others = edit_parts(pixels_HW, places=places) if corrects else EditParts([], [])
        candidates = [*record["box_candidates"]]
        if others and any(each["by"] == OWN_BOX for each in candidates):
            candidates += [{"box": box, "by": OWN_BOX} for box in own_boxes(pixels_HW, others, size)]
        rows = [candidate_row(one, size=size, largest_share=share) for one in candidates]
        sound = [row for row in rows if not row["fault"]]
        boxes = [clip_box(row["box"], size) for row in sound]
        if not sound:
            faults = sorted({row["fault"] for row in rows}) or ["there are none"]
            reason = "too_large" if "too_large" in faults else "no_box"
            return Reject(reason, f"what is wrong with the candidates: {', '.join(faults)}", {"box_terms": rows})
        change_HW = chosen_map(self.config.map, source, target, encode=self.encoder.maps if self.encoder else None)
        if others and (rival := others[0].change / own[-1].change) > self.config.max_rival:
            return Reject("unsure", f"another place changed {rival:.2f} times as much", {"box_terms": rows})
        change_HW = without_parts(change_HW, others)
        for row, terms in zip(sound, self._terms(record, boxes, change_HW), strict=True):
            row |= terms | {"score": terms[self.config.rule]}
        box = boxes[best := best_box([row["score"] for row in sound], boxes)]
        if len(own) > 1:
            box = box_around_parts(change_HW, boxes, own, size=size, weights=WEIGHTS[self.config.map])
        # Of several places the first one cannot hold all of the change, so that its score is low.
        if places == 1 and (score := sound[best]["score"]) < self.config.min_score:
            return Reject("unsure", f"score {score:.3f} < {self.config.min_score:g}", {"box_terms": rows})
        if box_fault(box, size, largest_share=self.config.max_share):
            return Reject("too_large", f"more than {self.config.max_share:g} of the frame", {"box_terms": rows})
        return {"box": box, "box_score": sound[best]["score"], "box_terms": rows}

    def _terms(self, record: Record, boxes: list[Box], change_HW: Floats) -> list[dict[str, float | None]]:
        """What the rules say of each box, by the name of the term."""
        terms = box_terms(change_HW, boxes, size=record["source"].size)
        published = self._published(record, boxes)
        return [
            {**one._asdict(), "published": score, "corrected": corrected_score(one, WEIGHTS[self.config.map])}
            for one, score in zip(terms, published, strict=True)
        ]

    def _published(self, record: Record, boxes: list[Box]) -> list[float] | list[None]:
        """Equation 1 for each box: the similarity of the pictures with the box masked out, all of them at once."""
        if self.similarity is None:
            return [None] * len(boxes)
        source, target = record["source"].array, resize(record["target"].array, record["source"].size)
        return self.similarity([masked_out(source, box) for box in boxes], [masked_out(target, box) for box in boxes])
