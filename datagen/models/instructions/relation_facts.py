"""Facts about the subject and its neighbours, as far as their masks and boxes prove them.

The predicates are those of `datagen.imaging.box_relations`. "just" needs a gap of at most NEAR, "well" one of at least
FAR, "directly" middles within LEVEL. "within the area of" needs both masks: a box also covers what its object does not,
as the lawn between a man and his tripod. Where both masks are known, "partly overlaps" needs common pixels too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from datagen.imaging import box_relations as boxes
from datagen.models.instructions.base import PictureObject, StatedRelation, stated_relation
from datagen.models.instructions.facts import BE, Fact, Predicate, Verb, Voice
from datagen.models.instructions.mentions import Neighbour, Surroundings, choose_name
from datagen.models.instructions.size_facts import comparisons

CLOSEST = 5
"""Most neighbours that are mentioned; the nearest ones."""

INSIDE = 0.98
"""Least share of a mask's pixels inside another mask for what lies within it: outlines are drawn by hand."""
OVERLAPPED = 0.05
"""Least share of the smaller mask that overlapping masks have in common: outlines of things that touch may cross."""

_OPPOSITE: dict[boxes.Side, boxes.Side] = {"left": "right", "right": "left", "above": "below", "below": "above"}
_HAVE = Verb("has", "have")
_OVERLAP = Verb("partly overlaps", "partly overlap", "partly overlapping")
_PUT = ("place", "put", "position", "set")


class Wording(NamedTuple):
    """The predicate of a relation, and phrases that go before a neighbour's name."""

    predicate: str
    phrases: tuple[str, ...]
    converses: tuple[str, ...] = ()
    """The converse relation, with `{}` for the neighbour: `{} to its right`."""


def relation_facts(
    around: Surroundings, *, subject: PictureObject, voice: Voice, rng: np.random.Generator
) -> list[Fact]:
    """Facts about the subject and its nearest neighbours; the most informative first."""
    nearest = [n for n in around.neighbours[: CLOSEST + 3] if not boxes.submerged(around.subject, n.region)][:CLOSEST]
    enclosing = [n for n in around.neighbours if _is_inside(subject, n, around)][:2]
    facts = [*_to_all(around, subject, voice)]
    facts += [fact for pair in combinations(nearest, 2) for fact in _to_two(around, pair, subject, voice, rng)]
    return facts + [fact for one in [*enclosing, *nearest] for fact in _to_one(around, one, subject, voice, rng)]


def _to_one(
    around: Surroundings, other: Neighbour, subject: PictureObject, voice: Voice, rng: np.random.Generator
) -> Iterator[Fact]:
    called = choose_name(other, around=around, rng=rng)
    about = frozenset((other.kind,))
    inside = _is_inside(subject, other, around)
    for wording in wordings(around.subject, other.region, inside=inside, voice=voice):
        yield _relation(wording, called, about, (stated_relation(subject, wording.predicate, other.thing),), voice)
    if boxes.overlaps(around.subject, other.region) and _may_overlap(subject, other.thing):
        yield Fact(
            "relation",
            predicates=(Predicate(_OVERLAP, called),),
            commands=(f"let {voice.them} partly overlap {called}",),
            about=about,
            stated=(stated_relation(subject, "overlapping", other.thing),),
        )
    yield from comparisons(
        around.subject, other.region, name=called, things=(subject, other.thing), kind=other.kind, voice=voice
    )


def _is_inside(subject: PictureObject, other: Neighbour, around: Surroundings) -> bool:
    """Whether the subject lies within a neighbour by its box and by its mask; not known without masks."""
    one, two = subject.mask, other.thing.mask
    if one is None or two is None or not boxes.within(around.subject, other.region):
        return False
    return one.fits(two) and one.shared(two) >= INSIDE * one.area


def _may_overlap(subject: PictureObject, other: PictureObject) -> bool:
    """Whether the masks of two things whose boxes overlap do so too; true if one has no mask."""
    one, two = subject.mask, other.mask
    if one is None or two is None or not one.fits(two):
        return True
    return one.shared(two) >= OVERLAPPED * min(one.area, two.area)


def wordings(a: boxes.Region, b: boxes.Region, *, inside: bool, voice: Voice) -> Iterator[Wording]:
    """All true phrases for where `a` is, relative to `b`; `inside` if it is known to lie within it."""
    if side := boxes.side(a, b):
        yield Wording(_predicate(side), tuple(_beside(a, b, side)), _converses(a, b, side, voice))
    if boxes.adjoins(a, b):
        yield Wording("next to", ("next to", "close to", "near" if side in ("above", "below") else "right beside"))
    if corner := boxes.diagonal(a, b):
        yield Wording(" and ".join(map(_predicate, corner)), _off_corner(corner))
    if inside:
        yield Wording("within", ("within the area of", "inside the area of", "within the area taken up by"))
    if not side and not corner:
        yield from _further(a, b, voice.picture)


def _predicate(side: boxes.Side) -> str:
    return side if side in ("above", "below") else f"to the {side} of"


def _beside(a: boxes.Region, b: boxes.Region, side: boxes.Side) -> Iterator[str]:
    axis: boxes.Axis = 0 if side in ("left", "right") else 1
    plain = [f"to the {side} of", f"{side} of"] if axis == 0 else [side]
    free, straight = boxes.gap(a, b, axis), boxes.level(a, b, axis)
    yield from (*plain, *(f"just {words}" for words in plain if free <= boxes.NEAR))
    yield from (f"well {words}" for words in plain if free >= boxes.FAR)
    yield from (f"directly {words}" for words in plain if straight)


def _converses(a: boxes.Region, b: boxes.Region, side: boxes.Side, voice: Voice) -> tuple[str, ...]:
    """`with the cup to its right`; left out if both are far apart, as it would say little."""
    opposite = _OPPOSITE[side]
    if boxes.distance(a, b) >= boxes.FAR:
        return ()
    if side in ("left", "right"):
        return (f"{{}} to {voice.its} {opposite}", f"{{}} on {voice.its} {opposite}")
    return (f"{{}} {opposite} {voice.them}",)


def _off_corner(corner: tuple[boxes.Side, boxes.Side]) -> tuple[str, ...]:
    vertical, horizontal = corner
    high = "upper" if vertical == "above" else "lower"
    return (
        f"{vertical} and to the {horizontal} of",
        f"to the {horizontal} of and {vertical}",
        f"to the {high} {horizontal} of",
        f"diagonally {vertical}",
    )


def _further(a: boxes.Region, b: boxes.Region, picture: str) -> Iterator[Wording]:
    """`lower than` and the like, for boxes that overlap or touch."""
    words = {"above": "higher", "below": "lower", "left": "further left", "right": "further right"}
    axes: tuple[boxes.Axis, ...] = (0, 1)
    for axis in axes:
        if (found := boxes.further(a, b, axis)) and not boxes.submerged(a, b):
            yield Wording(f"{words[found]} than", (f"{words[found]} than", f"{words[found]} in the {picture} than"))


def _relation(
    wording: Wording, called: str, about: frozenset[str], stated: tuple[StatedRelation, ...], voice: Voice
) -> Fact:
    phrases = [f"{phrase} {called}" for phrase in wording.phrases]
    converses = [text.format("\0").replace("\0", called) for text in wording.converses]
    return Fact(
        "relation",
        predicates=(
            *(Predicate(verb, phrase) for phrase in phrases for verb in voice.resting),
            *(Predicate(_HAVE, converse) for converse in converses),
        ),
        adjuncts=(*phrases, *(f"with {converse}" for converse in converses)),
        openers=tuple(f"with {converse}" for converse in converses),
        commands=tuple(f"{put} {voice.them} {phrase}" for phrase in phrases for put in _PUT),
        about=about,
        stated=stated,
    )


def _to_two(
    around: Surroundings,
    pair: tuple[Neighbour, Neighbour],
    subject: PictureObject,
    voice: Voice,
    rng: np.random.Generator,
) -> Iterator[Fact]:
    """`between the cup and the plate`, `between two coins`, `with a coin on either side`."""
    first, second = pair
    axis = boxes.between(around.subject, first.region, second.region)
    if axis is None:
        return
    stated = tuple(stated_relation(subject, "between", other.thing) for other in pair)
    about = frozenset((first.kind, second.kind))
    if first.kind != second.kind:
        names = " and ".join(choose_name(other, around=around, rng=rng) for other in pair)
        yield _relation(Wording("between", ("between",)), names, about, stated, voice)
        return
    for group in _pair_names(first, around):
        yield _relation(Wording("between", ("between",)), group, about, stated, voice)
    if first.noun.article and not first.noun.plural:
        flanks = "on either side" if axis == 0 else f"above and below {voice.them}"
        yield _flanked(f"{first.noun.new} {flanks}" if axis == 0 else f"{first.noun.new} both {flanks}", about, stated)


def _pair_names(other: Neighbour, around: Surroundings) -> list[str]:
    """Names for two neighbours of one kind: `two coins`, `two of the coins`, `the two coins`."""
    many = other.noun.many
    if not many or not other.noun.article:
        return []
    more = "other " if around.is_subject(other.kind) else ""
    if around.all_annotated and around.count(other.kind) == 2:
        return [f"the two {more}{many}"]
    return [f"two {more}{many}", f"two of the {more}{many}"]


def _flanked(words: str, about: frozenset[str], stated: tuple[StatedRelation, ...]) -> Fact:
    phrase = f"with {words}"
    return Fact(
        "relation",
        predicates=(Predicate(_HAVE, words),),
        adjuncts=(phrase,),
        openers=(phrase,),
        about=about,
        stated=stated,
    )


def _to_all(around: Surroundings, subject: PictureObject, voice: Voice) -> Iterator[Fact]:
    """`the leftmost of the coins`, if all coins are annotated and there are at least three with the subject."""
    alike = around.alike(around.kind)
    if not around.all_annotated or len(alike) < 2 or len(alike) < around.count(around.kind) or not alike[0].noun.many:
        return
    end = boxes.outermost(around.subject, [other.region for other in alike])
    if end is None:
        return
    word = {"left": "leftmost", "right": "rightmost", "above": "topmost", "below": "lowest"}[end]
    phrase = f"the {word} of the {alike[0].noun.many}"
    yield Fact(
        "relation",
        predicates=(Predicate(BE, phrase), Predicate(Verb("becomes", "become", "becoming"), phrase)),
        commands=(f"make {voice.them} {phrase}",),
        about=frozenset((around.kind,)),
        stated=(StatedRelation(subject.label, f"{word} of", alike[0].thing.label, subject.number),),  # of all of them
    )
