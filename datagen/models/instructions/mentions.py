"""Names for the other objects of a picture, chosen so that a reader knows which one is meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from datagen.imaging.box_relations import Region, distance, region, submerged
from datagen.models.grammar import Noun, kind_key, noun
from datagen.models.instructions.base import PictureLayout, PictureObject

CLEARLY_NEARER = 0.03
"""Least difference in distance, as a share of the picture, between the nearest object and the next."""


class Neighbour(NamedTuple):
    """An object that is in the picture before and after the subject is added."""

    thing: PictureObject
    kind: str
    region: Region
    noun: Noun


class Surroundings(NamedTuple):
    """The region and kind of the subject, and its neighbours, the nearest first."""

    subject: Region
    kind: str
    neighbours: tuple[Neighbour, ...]
    kinds: Mapping[str, int]
    """Number of objects of each kind in the picture, including those that are not neighbours."""
    all_annotated: bool

    @property
    def is_only_subject(self) -> bool:
        """Whether the subject's name is known to fit no object that is already there."""
        return self.all_annotated and self.count(self.kind) == 0

    def count(self, kind: str) -> int:
        """Number of objects that the name of a kind fits; "cup" also fits a coffee cup."""
        return sum(number for other, number in self.kinds.items() if _fits(kind, other))

    def is_subject(self, kind: str) -> bool:
        """Whether the name of a kind fits the subject too."""
        return _fits(kind, self.kind)

    def alike(self, kind: str) -> list[Neighbour]:
        """The neighbours of one kind."""
        return [neighbour for neighbour in self.neighbours if neighbour.kind == kind]


def _fits(kind: str, thing: str) -> bool:
    return f" {thing}".endswith(f" {kind}")


def find_surroundings(layout: PictureLayout, *, subject: Region, all_annotated: bool) -> Surroundings:
    """The surroundings of the subject.

    Objects outside the picture are left out. So are those so far inside the subject's box that they may be a part of
    it: they disappear with it.
    """
    found = [_neighbour(other, layout.size) for other in layout.others]
    visible = [other for other in found if other is not None]
    apart = [other for other in visible if not submerged(other.region, subject)]
    ordered = sorted(apart, key=lambda other: distance(subject, other.region))
    kinds = Counter(other.kind for other in visible)
    return Surroundings(subject, kind_key(layout.subject.label), tuple(ordered), kinds, all_annotated)


def _neighbour(thing: PictureObject, size: tuple[int, int]) -> Neighbour | None:
    place = region(thing.box, size=size)
    if place is None:
        return None
    return Neighbour(thing, kind_key(thing.label), place, noun(thing.label))


def choose_name(neighbour: Neighbour, *, around: Surroundings, rng: np.random.Generator) -> str:
    """A random name for a neighbour: `the cup`, `a red cup`, `another coin`, `one of the cups`, `the nearest coin`.

    It has a definite article only if it can mean just one object, which is not known unless all are annotated.
    """
    called = [*_by_attribute(neighbour, around), *_by_kind(neighbour, around)]
    return called[int(rng.integers(len(called)))]


def _by_kind(neighbour: Neighbour, around: Surroundings) -> list[str]:
    word, alike = neighbour.noun, around.count(neighbour.kind)
    if not word.article:
        return [word.definite]
    other = "other " if around.is_subject(neighbour.kind) else ""
    if alike == 1 and around.all_annotated:
        return [f"the {other}{word.words}"]
    if word.plural:
        return [f"other {word.words}" if other else word.new]
    several = [f"one of the {other}{word.many}"] if word.many and alike > 1 else []
    return [f"another {word.words}" if other else word.new, *several, *_nearest(neighbour, around)]


def _nearest(neighbour: Neighbour, around: Surroundings) -> list[str]:
    """`the nearest coin`, if no other coin can be nearer."""
    rivals = [
        distance(around.subject, rival.region) for rival in around.alike(neighbour.kind) if rival is not neighbour
    ]
    if not around.all_annotated or len(rivals) + 1 < around.count(neighbour.kind) or not rivals:
        return []
    nearer = min(rivals) - distance(around.subject, neighbour.region) >= CLEARLY_NEARER
    return [f"the nearest {neighbour.noun.words}"] * 2 if nearer else []


def _by_attribute(neighbour: Neighbour, around: Surroundings) -> list[str]:
    """`the red cup`, if every other cup is annotated with attributes and none is red, else `a red cup`."""
    word = neighbour.noun
    if not word.article or around.is_subject(neighbour.kind):
        return []
    rivals = [other for other in around.alike(neighbour.kind) if other is not neighbour]
    known = len(rivals) + 1 == around.count(neighbour.kind) and all(rival.thing.attributes for rival in rivals)
    theirs = {attribute.casefold() for rival in rivals for attribute in rival.thing.attributes}
    unique = [a for a in neighbour.thing.attributes if known and around.all_annotated and a.casefold() not in theirs]
    described = [noun(neighbour.thing.label, attributes=(a,)) for a in unique or neighbour.thing.attributes]
    return [text.definite if unique else text.new for text in described if text.words != word.words]
