"""How often each rule chooses the right box among the boxes that the pipeline proposed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from datagen.core.fields import Box
from datagen.imaging.box_rule import WEIGHTS, MapKind, best_box, box_fault, box_terms, corrected_score, masked_out
from datagen.imaging.change_map import ComparablePair, Floats, cached_pixel_map, encoder_map
from datagen.imaging.geometry import clip_box, iou, resize
from datagen.imaging.image import Image, Pixels
from datagen.imaging.map_boxes import OWN_BOX, own_boxes
from datagen.measure.drawn_boxes import drawn_candidates
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
PIPELINE = "as the pipeline chose"
"""A turn that it rejected has no box, which is wrong."""
KEPT = f"{PIPELINE} and kept"
"""The same without turns that it rejected."""
PUBLISHED, BARRED = "published", ", supersets barred"


class BoxModels(NamedTuple):
    """A pretrained network, by its name, for maps and for similarities."""

    name: str
    encoder: DenseEncoder
    similarity: PictureSimilarity


Candidates = Literal["proposed", "proposed, map's box", "drawn", "drawn, map's box"]
"""What a rule chooses among: what the pipeline proposed, but for the map's own box, or boxes drawn around the truth
(`drawn_boxes`); with or without the map's own box."""
CANDIDATES: tuple[Candidates, ...] = get_args(Candidates)


class BoxCase(NamedTuple):
    """What one rule chose for one turn."""

    photograph: str
    damage: str
    strength: float
    op: str
    rule: str
    candidates: str
    """One of `Candidates`; '' for the pipeline's own choice."""
    right: bool


@dataclass(frozen=True)
class BoxShares:
    """The share of right boxes of one rule."""

    rule: str
    candidates: str
    """One of `Candidates`; '' for the pipeline's own choice."""
    all: Share
    mild: Share
    """With damage of strength 1 and below, and without damage."""
    strong: Share
    by_damage: dict[str, Share]
    """By kind and strength, such as `shift 2`."""
    by_op: dict[str, Share]
    """By the true operation."""


class _Turn(NamedTuple):
    """One turn whose boxes are compared."""

    source: Pixels
    target: Pixels
    """Of the source's size."""
    boxes: list[Box]
    """All candidates that are sound."""
    sets: dict[str, list[int]]
    """Places in `boxes` by `Candidates`."""
    pair: ComparablePair
    pixels: Floats
    """The map of the change, HW."""


def box_cases(session: TrueSession, view: LedgerView, *, models: BoxModels | None, similar: bool) -> Iterator[BoxCase]:
    """What each rule chooses for each local turn of a session.

    Where the pipeline took a turn for a global edit, or never came to it, nothing was proposed to choose from: that
    counts for the pipeline's own choice alone. `similar` lets the published rule compare by the network too.
    """
    for number, rendered in enumerate(session.turns, 1):
        if not session.is_local(number):
            continue
        row = view.turns.get((session.name, number))
        about = (session.photograph, session.damage, session.strength, session.truth(number)["op"])
        truth = session.box(number)
        chosen = row.fields.get("box", ()) if row and not row.where else ()
        right = len(chosen) == 4 and iou(tuple(chosen), truth) > RIGHT
        yield from (BoxCase(*about, rule, "", right) for rule in (PIPELINE, KEPT) if chosen or rule == PIPELINE)
        proposed = row.fields.get("box_candidates") if row and row.fields.get("op") != "global" else None
        drawn = drawn_candidates(truth, size=rendered.source.size, seed=zlib.crc32(f"{session.name}/{number}".encode()))
        turn = _turn_of(rendered.source, rendered.target, proposed, drawn)
        scores = dict(_scores(turn, models, similar=similar))
        for (rule, share), (candidates, places) in product(_rules(scores), turn.sets.items()):
            best = _best(turn, places, scores[rule.removesuffix(BARRED)], largest_share=share)
            yield BoxCase(*about, rule, candidates, best is not None and iou(best, truth) > RIGHT)


def _turn_of(source: Image, target: Image, proposed: Sequence[Mapping[str, Any]] | None, drawn: Sequence[Box]) -> _Turn:
    size = source.size
    sound = [each for each in proposed or () if not box_fault(each["box"], size, largest_share=1)]
    others = [clip_box(tuple(each["box"]), size) for each in sound if each["by"] != OWN_BOX]
    pair, change_HW = cached_pixel_map(source.array, target.array)
    own = own_boxes(change_HW, [], size)
    groups = {"drawn": [*drawn], "proposed": others, "own": own}
    places = {name: list(range(len(boxes))) for name, boxes in groups.items()}
    places["proposed"] = [place + len(drawn) for place in places["proposed"]]
    places["own"] = [place + len(drawn) + len(others) for place in places["own"]]
    sets: dict[str, list[int]] = {
        name: places[name.partition(",")[0]] + (places["own"] if name.endswith("map's box") else [])
        for name in CANDIDATES
        if proposed is not None or name.startswith("drawn")
    }
    resized = resize(target.array, size)
    return _Turn(source.array, resized, [*drawn, *others, *own], sets, pair, change_HW)


def _scores(turn: _Turn, models: BoxModels | None, *, similar: bool) -> Iterator[tuple[str, list[float]]]:
    """The scores of all boxes of a turn by each rule."""
    similarities = {"pixels": PixelSimilarityConfig().load("cpu")}
    maps: dict[str, tuple[MapKind, Floats]] = {"pixels": ("pixels", turn.pixels)}
    if models:
        similarities |= {models.name: models.similarity} if similar else {}
        one, other = models.encoder.maps(turn.pair.pictures)
        encoder_HW = encoder_map(turn.pair, (one, other))
        maps[models.name] = ("encoder", encoder_HW)
        maps[f"pixels and {models.name}"] = ("both", (encoder_HW + turn.pixels) * np.float32(0.5))
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


def _best(turn: _Turn, places: Sequence[int], scores: Sequence[float], *, largest_share: float) -> Box | None:
    """The box with the best score of those in `places` that a rule takes; None if it takes none."""
    size = (turn.source.shape[1], turn.source.shape[0])
    taken = [place for place in places if not box_fault(turn.boxes[place], size, largest_share=largest_share)]
    boxes = [turn.boxes[place] for place in taken]
    return boxes[best_box([scores[place] for place in taken], boxes)] if boxes else None


def box_shares(cases: Sequence[BoxCase]) -> list[BoxShares]:
    """The shares of right boxes by what the rules choose among, and by rule."""
    keys = dict.fromkeys((case.candidates, case.rule) for case in cases)
    order = sorted(keys, key=lambda key: ("", *CANDIDATES).index(key[0]))
    return [_shares([case for case in cases if (case.candidates, case.rule) == key], *key) for key in order]


def _shares(cases: Sequence[BoxCase], candidates: str, rule: str) -> BoxShares:
    damages = sorted({(case.damage, case.strength) for case in cases})
    return BoxShares(
        rule=rule,
        candidates=candidates,
        all=_share(cases),
        mild=_share([case for case in cases if case.strength <= 1]),
        strong=_share([case for case in cases if case.strength > 1]),
        by_damage={
            f"{kind} {strength:g}" if strength else kind: _share(
                [case for case in cases if (case.damage, case.strength) == (kind, strength)]
            )
            for kind, strength in damages
        },
        by_op={op: _share([case for case in cases if case.op == op]) for op in sorted({case.op for case in cases})},
    )


def _share(cases: Sequence[BoxCase]) -> Share:
    return share_of((case.photograph, case.right) for case in cases)
