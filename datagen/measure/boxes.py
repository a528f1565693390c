"""How often each rule chooses the right box among the boxes that the pipeline proposed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from datagen.core.fields import Box
from datagen.imaging.box_rule import WEIGHTS, MapKind, best_box, box_fault, box_terms, corrected_score, masked_out
from datagen.imaging.change_map import ComparablePair, Floats, cached_pixel_map, encoder_map
from datagen.imaging.geometry import clip_box, iou, resize
from datagen.imaging.image import Image, Pixels
from datagen.imaging.map_boxes import map_box
from datagen.measure.intervals import Share, share_of
from datagen.measure.ledger_view import LedgerView
from datagen.measure.truth import TrueSession
from datagen.models.dense_encoders.base import DenseEncoder
from datagen.models.similarities.base import PictureSimilarity
from datagen.models.similarities.pixels import PixelSimilarityConfig

RIGHT = 0.5
"""A box is right if its intersection over union with the true one is more."""
LARGEST = 0.9
"""Share of the frame above which no box is taken by the corrected rule, and by the published one without supersets."""
OWN = "change_map"
"""What proposes the map's own box."""
PIPELINE = "as the pipeline chose"
PUBLISHED, BARRED = "published", ", supersets barred"


class BoxModels(NamedTuple):
    """A pretrained network, by its name, for maps and for similarities."""

    name: str
    encoder: DenseEncoder
    similarity: PictureSimilarity


class BoxCase(NamedTuple):
    """What one rule chose for one turn."""

    photograph: str
    damage: str
    strength: float
    rule: str
    own: bool
    """Whether the map's own box was among the candidates."""
    right: bool


@dataclass(frozen=True)
class BoxShares:
    """The share of right boxes of one rule."""

    rule: str
    own: bool | None
    """Whether the map's own box was among the candidates; None for the pipeline's own choice."""
    all: Share
    mild: Share
    """With damage of strength 1 and below, and without damage."""
    strong: Share
    by_damage: dict[str, Share]
    """By kind and strength, such as `shift 2`."""


class _Turn(NamedTuple):
    """One turn whose boxes are compared."""

    source: Pixels
    target: Pixels
    """Of the source's size."""
    boxes: list[Box]
    """The sound candidates, the map's own one last."""
    others: int
    """How many of them are not the map's own."""
    pair: ComparablePair
    pixels_HW: Floats


def box_cases(session: TrueSession, view: LedgerView, *, models: BoxModels | None, similar: bool) -> Iterator[BoxCase]:
    """What each rule chooses for each local turn of a session.

    Rules choose among what the pipeline proposed; a turn that it took for a global edit, or never came to, has nothing
    to choose from, and counts for the pipeline alone. `similar` lets the published rule compare by the network too.
    """
    for number, rendered in enumerate(session.turns, 1):
        if not session.is_local(number):
            continue
        row = view.turns.get((session.name, number))
        about = (session.photograph, session.damage, session.strength)
        truth = session.box(number)
        chosen = row.fields.get("box") if row and not row.where else None
        yield BoxCase(*about, PIPELINE, True, bool(chosen) and iou(tuple(chosen), truth) > RIGHT)
        if row is None or "box_candidates" not in row.fields or row.fields.get("op") == "global":
            continue
        turn = _turn_of(rendered.source, rendered.target, row.fields["box_candidates"])
        scores = dict(_scores(turn, models, similar=similar))
        for (rule, share), own in product(_rules(scores), (False, True)):
            best = _best(turn, scores[rule.removesuffix(BARRED)], own=own, largest_share=share)
            yield BoxCase(*about, rule, own, best is not None and iou(best, truth) > RIGHT)


def _turn_of(source: Image, target: Image, candidates: Sequence[Mapping[str, Any]]) -> _Turn:
    size = source.size
    sound = [each for each in candidates if not box_fault(each["box"], size, largest_share=1)]
    others, own = (
        [clip_box(tuple(each["box"]), size) for each in sound if (each["by"] == OWN) == is_own]
        for is_own in (False, True)
    )
    pair, pixels_HW = cached_pixel_map(source.array, target.array)
    if not own and (box := map_box(pixels_HW)):
        wide, high = size[0] / pixels_HW.shape[1], size[1] / pixels_HW.shape[0]
        own = [(box[0] * wide, box[1] * high, box[2] * wide, box[3] * high)]
    return _Turn(source.array, resize(target.array, size), [*others, *own], len(others), pair, pixels_HW)


def _scores(turn: _Turn, models: BoxModels | None, *, similar: bool) -> Iterator[tuple[str, list[float]]]:
    """The scores of all boxes of a turn by each rule."""
    similarities = {"pixels": PixelSimilarityConfig().load("cpu")}
    maps: dict[str, tuple[MapKind, Floats]] = {"pixels": ("pixels", turn.pixels_HW)}
    if models:
        similarities |= {models.name: models.similarity} if similar else {}
        one, other = models.encoder.maps(turn.pair.pictures)
        encoder_HW = encoder_map(turn.pair, (one, other))
        maps[models.name] = ("encoder", encoder_HW)
        maps[f"pixels and {models.name}"] = ("both", (encoder_HW + turn.pixels_HW) * np.float32(0.5))
    for name, similarity in similarities.items():
        pairs = ([masked_out(picture, box) for box in turn.boxes] for picture in (turn.source, turn.target))
        yield f"{PUBLISHED}, {name}", similarity(*pairs)
    for name, (kind, change_HW) in maps.items():
        terms = box_terms(change_HW, turn.boxes, size=(turn.source.shape[1], turn.source.shape[0]))
        yield f"corrected, {name}", [corrected_score(each, WEIGHTS[kind]) for each in terms]


def _rules(names: Iterable[str]) -> Iterator[tuple[str, float]]:
    """The rules by name, with the largest share of the frame that each takes."""
    for name in names:
        if name.startswith(PUBLISHED):
            yield name, 1
            yield f"{name}{BARRED}", LARGEST
        else:
            yield name, LARGEST


def _best(turn: _Turn, scores: Sequence[float], *, own: bool, largest_share: float) -> Box | None:
    """The box with the best score of those that a rule takes; None if it takes none."""
    size = (turn.source.shape[1], turn.source.shape[0])
    taken = [
        place
        for place, box in enumerate(turn.boxes[: None if own else turn.others])
        if not box_fault(box, size, largest_share=largest_share)
    ]
    boxes = [turn.boxes[place] for place in taken]
    return boxes[best_box([scores[place] for place in taken], boxes)] if boxes else None


def box_shares(cases: Sequence[BoxCase]) -> list[BoxShares]:
    """The shares of right boxes by rule, with and without the map's own box."""
    keys = dict.fromkeys((case.rule, case.own) for case in cases)
    return [_shares([case for case in cases if (case.rule, case.own) == key], *key) for key in keys]


def _shares(cases: Sequence[BoxCase], rule: str, own: bool) -> BoxShares:
    damages = sorted({(case.damage, case.strength) for case in cases})
    return BoxShares(
        rule=rule,
        own=None if rule == PIPELINE else own,
        all=_share(cases),
        mild=_share([case for case in cases if case.strength <= 1]),
        strong=_share([case for case in cases if case.strength > 1]),
        by_damage={
            f"{kind} {strength:g}" if strength else kind: _share(
                [case for case in cases if (case.damage, case.strength) == (kind, strength)]
            )
            for kind, strength in damages
        },
    )


def _share(cases: Sequence[BoxCase]) -> Share:
    return share_of((case.photograph, case.right) for case in cases)
