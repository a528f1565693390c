"""`Fact`: a true statement about an object in a picture, as phrases for different places in a sentence.

A fact follows from the geometry of `datagen.imaging.box_relations` and the numbers below. Each vague word has one
meaning, in shares of the picture. Between words that exclude each other is a zone where neither is used:

- small: both sides at most SMALL; very small: at most TINY; medium-sized:
  the longer one in MEDIUM and the shorter at least MEDIUM_SHORT; large: both
  at least LARGE
- about: within ABOUT of the number, as a share of it; just over or just
  under: beyond it by a share in JUST; between two numbers: by ABOUT
- larger, smaller: width and height both by the factor BIGGER
- close to an edge: within NEAR_EDGE of it

Sizes are shares, never pixels, so that they stay true after resizing. For areas there are only upper bounds, because an
object need not fill its box.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple

from datagen.imaging.box_relations import Region
from datagen.models.grammar import Noun
from datagen.models.instructions.base import StatedRelation

TINY = 0.1
SMALL = 0.2
MEDIUM = (0.27, 0.45)
MEDIUM_SHORT = 0.15
LARGE = 0.5
ABOUT = 0.05
JUST = (0.03, 0.1)
BIGGER = 1.2
LONGER = 1.25
NEAR_EDGE = 0.05
CLEAR_OF_EDGES = 0.12
CENTERED = 0.03

Topic = Literal["size", "shape", "comparison", "place", "relation"]


class Verb(NamedTuple):
    """The forms of a verb; without a participle it never opens a participial phrase."""

    third: str
    base: str
    participle: str = ""

    def finite(self, *, plural: bool) -> str:
        """The form for `it`, or for `they`."""
        if not plural:
            return self.third
        return re.sub(r"^be\b", "are", self.base)


class Predicate(NamedTuple):
    """A verb and the words after it."""

    verb: Verb
    rest: str


class Fact(NamedTuple):
    """One true statement about the subject, in every form that reads well."""

    topic: Topic
    predicates: tuple[Predicate, ...] = ()
    """`it` + spans + a third of the width."""
    adjuncts: tuple[str, ...] = ()
    """After a comma at the end of a sentence: `about half as wide as the cup`."""
    openers: tuple[str, ...] = ()
    """Before a comma at its start."""
    commands: tuple[str, ...] = ()
    """`place it to the left of the cup`."""
    clauses: tuple[str, ...] = ()
    """`its width is about a third of the picture's`."""
    about: frozenset[str] = frozenset()
    """The kinds of objects that it mentions besides the subject."""
    stated: tuple[StatedRelation, ...] = ()
    """The relations that it states, as data."""


class Voice(NamedTuple):
    """The pronouns and verbs for the subject, and the word for the picture, in one instruction."""

    it: str
    its: str
    them: str
    plural: bool
    picture: str
    resting: tuple[Verb, ...]
    """The verbs that say where the subject is, as "is" and "stands"."""


def voice_of(subject: Noun, *, picture: str, resting: tuple[Verb, ...]) -> Voice:
    """The words for a subject."""
    words = ("they", "their", "them") if subject.plural else ("it", "its", "it")
    return Voice(*words, plural=subject.plural, picture=picture, resting=resting)


BE = Verb("is", "be")
SPAN = Verb("spans", "span", "spanning")
TAKE_UP = Verb("takes up", "take up", "taking up")
COVER = Verb("covers", "cover", "covering")
FILL = Verb("fills", "fill", "filling")
EXTEND = Verb("extends across", "extend across", "extending across")
STAY = Verb("stays", "stay", "staying")

_FRACTIONS = (
    (1 / 10, "a tenth"),
    (1 / 8, "an eighth"),
    (1 / 6, "a sixth"),
    (1 / 5, "a fifth"),
    (1 / 4, "a quarter"),
    (1 / 3, "a third"),
    (2 / 5, "two fifths"),
    (1 / 2, "half"),
    (3 / 5, "three fifths"),
    (2 / 3, "two thirds"),
    (3 / 4, "three quarters"),
    (4 / 5, "four fifths"),
    (9 / 10, "nine tenths"),
)
_COARSE = tuple(_FRACTIONS[i] for i in (0, 3, 4, 5, 7, 9, 10))
_BOUNDS = ((1 / 20, "a twentieth"), *(_FRACTIONS[i] for i in (0, 3, 4, 5, 7)))
_MULTIPLES = (
    (1 / 4, "a quarter as {} as"),
    (1 / 3, "a third as {} as"),
    (1 / 2, "half as {} as"),
    (2 / 3, "two thirds as {} as"),
    (1, "as {} as"),
    (1.5, "one and a half times as {} as"),
    (2, "twice as {} as"),
    (3, "three times as {} as"),
    (4, "four times as {} as"),
)


def shares(value: float) -> list[str]:
    """All true phrases for a share of the whole, such as `about a third`; at least one."""
    phrases = [phrase for number, name in _FRACTIONS for phrase in _near(value / number - 1, name)]
    phrases += [
        f"between {low} and {high}"
        for (least, low), (most, high) in pairwise(_COARSE)
        if least * (1 + ABOUT) <= value <= most * (1 - ABOUT)
    ]
    if value >= 0.94:
        return ["nearly all"]
    return phrases or (["less than a tenth"] if value < 0.09 else [f"about {round(100 * value)} percent"])


def _near(excess: float, name: str) -> list[str]:
    if abs(excess) <= ABOUT:
        return [f"about {name}", f"roughly {name}"]
    if JUST[0] <= abs(excess) <= JUST[1]:
        return [f"just over {name}" if excess > 0 else f"just under {name}"]
    return []


def as_adjective(share: str) -> str:
    """A share as it is written before `as wide as`."""
    return "nearly" if share == "nearly all" else share


def multiple(ratio: float, adjective: str) -> str:
    """`about twice as wide as`; '' if the ratio is near no simple number."""
    for number, words in _MULTIPLES:
        if abs(ratio / number - 1) <= ABOUT:
            return f"about {words.format(adjective)}"
    return ""


def area_bound(area: float) -> str:
    """`less than a tenth`: the smallest simple fraction that is certainly above an area; '' if none is."""
    return next((f"less than {name}" for number, name in _BOUNDS if area <= 0.95 * number), "")


def size_word(region: Region) -> str:
    """`small`, `large` and the like; '' between them."""
    shorter, longer = sorted((region.width, region.height))
    if longer <= SMALL:
        return "very small" if longer <= TINY else "small"
    if shorter >= LARGE:
        return "large"
    return "medium-sized" if MEDIUM[0] <= longer <= MEDIUM[1] and shorter >= MEDIUM_SHORT else ""
