"""How the other things of a picture are called, so that a reader can tell which is meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from datagen.imaging.box_relations import Region, distance, region, submerged
from datagen.models.grammar import Noun, kind_key, noun
from datagen.models.instructions.base import PictureLayout, PictureObject

CLEARLY_NEARER = 0.03
"""By how much the nearest of several must be nearer than the next."""


class Neighbour(NamedTuple):
    """A thing that is in the picture, before and after the subject is added."""

    label: str
    kind: str
    region: Region
    noun: Noun
    attributes: tuple[str, ...]


class Surroundings(NamedTuple):
    """The subject's region and kind, and its neighbours, nearest first."""

    subject: Region
    kind: str
    neighbours: tuple[Neighbour, ...]
    kinds: Mapping[str, int]
    """How many things of each kind are in the picture, those that are no neighbours included."""
    all_annotated: bool

    @property
    def has_like_subject(self) -> bool:
        """Whether the subject's name would also fit a thing that is there already."""
        return self.count(self.kind) > 0

    def count(self, kind: str) -> int:
        """How many things in the picture the name of a kind fits: a coffee cup is a cup."""
        return sum(number for other, number in self.kinds.items() if _fits(kind, other))

    def is_subject(self, kind: str) -> bool:
        """Whether the name of a kind fits the subject too."""
        return _fits(kind, self.kind)

    def alike(self, kind: str) -> list[Neighbour]:
        """The neighbours of one kind."""
        return [neighbour for neighbour in self.neighbours if neighbour.kind == kind]


def _fits(kind: str, thing: str) -> bool:
    return f" {thing}".endswith(f" {kind}")


def scene(layout: PictureLayout, *, subject: Region, all_annotated: bool) -> Surroundings:
    """What surrounds the subject.

    Left out are things outside the picture, and those that lie so far inside
    the subject's box that they may be part of it and gone with it.
    """
    found = [_neighbour(other, layout.size) for other in layout.others]
    seen = [other for other in found if other is not None]
    there = [other for other in seen if not submerged(other.region, subject)]
    ordered = sorted(there, key=lambda other: distance(subject, other.region))
    kinds = Counter(other.kind for other in seen)
    return Surroundings(subject, kind_key(layout.subject.label), tuple(ordered), kinds, all_annotated)


def _neighbour(thing: PictureObject, size: tuple[int, int]) -> Neighbour | None:
    place = region(thing.box, size=size)
    if place is None:
        return None
    return Neighbour(thing.label, kind_key(thing.label), place, noun(thing.label), thing.attributes)


def name(neighbour: Neighbour, *, scene: Surroundings, rng: np.random.Generator) -> str:
    """What to call a neighbour: `the cup`, `the red cup`, `another coin`, `one of the cups`, `the nearest coin`.

    A definite article is only used where just one thing can be meant.
    """
    called = [*_by_attribute(neighbour, scene), *_by_kind(neighbour, scene)]
    return called[int(rng.integers(len(called)))]


def _by_kind(neighbour: Neighbour, scene: Surroundings) -> list[str]:
    word, alike = neighbour.noun, scene.count(neighbour.kind)
    if not word.article:
        return [word.definite]
    other = "other " if scene.is_subject(neighbour.kind) else ""
    if alike == 1 and (not other or scene.all_annotated):
        return [f"the {other}{word.words}"]
    if word.plural:
        return [f"other {word.words}" if other else f"some of the {word.words}"]
    several = [f"one of the {other}{word.many}"] if word.many and alike > 1 else []
    return [f"another {word.words}" if other else word.new, *several, *_nearest(neighbour, scene)]


def _nearest(neighbour: Neighbour, scene: Surroundings) -> list[str]:
    """`the nearest coin`, where no other can be nearer."""
    rivals = [distance(scene.subject, rival.region) for rival in scene.alike(neighbour.kind) if rival is not neighbour]
    if not scene.all_annotated or len(rivals) + 1 < scene.count(neighbour.kind) or not rivals:
        return []
    nearer = min(rivals) - distance(scene.subject, neighbour.region) >= CLEARLY_NEARER
    return [f"the nearest {neighbour.noun.words}"] * 2 if nearer else []


def _by_attribute(neighbour: Neighbour, scene: Surroundings) -> list[str]:
    """`the red cup`, where every other cup is described and none as red."""
    word = neighbour.noun
    rivals = [other for other in scene.alike(neighbour.kind) if other is not neighbour]
    known = len(rivals) + 1 == scene.count(neighbour.kind) and all(rival.attributes for rival in rivals)
    if not word.article or scene.is_subject(neighbour.kind) or not known:
        return []
    theirs = {attribute.casefold() for rival in rivals for attribute in rival.attributes}
    own = [attribute for attribute in neighbour.attributes if attribute.casefold() not in theirs]
    described = [noun(neighbour.label, attributes=(attribute,)) for attribute in own]
    return [text.definite for text in described if text.words != word.words]
