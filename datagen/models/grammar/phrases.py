"""Turn labels, as annotators typed them, into nouns that fit into an English sentence."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from datagen.core.english import (
    LINKS,
    MASS,
    PAIRED,
    SHORTEST_SHOUT,
    head_word,
    indefinite_article,
    is_plural,
    pluralize,
    word_set,
)
from datagen.models.grammar.word_sets import DEMONSTRATIVES, POSSESSIVES

LONGEST = 60
"""Most characters of a label that are used."""


_DETERMINERS = POSSESSIVES | DEMONSTRATIVES | word_set("some any every each no both")
_NUMERALS = word_set("two three four five six seven eight nine ten several many few")
_ARTICLES = word_set("a an the")
COLOURS = word_set("black white red green blue yellow orange brown grey gray pink purple gold silver")
_SIZES = word_set("large big huge giant great small little tiny medium medium-sized miniature")
_ADJECTIVES = (
    _SIZES | word_set("tall short long thin thick wide narrow slim slender broad deep flat"),
    word_set("new old young ancient antique modern vintage"),
    word_set("round square oval circular rectangular triangular curved spherical cylindrical pointed"),
    COLOURS,
    word_set("wooden metal plastic glass steel stone ceramic leather paper cotton bronze brass copper iron porcelain"),
)
_COLOUR_RANK = 4
_SHADES = word_set("deep medium flat")
_ABBREVIATION = re.compile(r"(?<![^\W_])([^\W\d_])\.(?=[^\W\d_](?![^\W_]))")
_ASIDE = re.compile(r"<[^<>]*>|\([^()]*\)")
_UNFIT = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs", "So", "Sk", "Pi", "Pf", "Ps", "Pe"))
_MARKS = frozenset(',;!?…"`|<>*#\\=+~^@。！？；、،؟।')  # noqa: RUF001
# `imagehere` goes too: a label must not forge a placeholder
_STOP = re.compile(r"[.:]+(?!\d)|(?<!\d)[.:]|imagehere", re.IGNORECASE)


class Noun(NamedTuple):
    """A name with the forms that a sentence needs."""

    words: str
    """The name without article, with its attributes if there are any."""
    article: str
    """`the`, or '' if the name has a determiner of its own."""
    indefinite: str
    """`a`, `an`, `some`, or `''`."""
    plural: bool
    """Whether its verb is in the plural: "the scissors are"."""
    many: str
    """The plural without attributes, or '' if it is not certain."""

    @property
    def definite(self) -> str:
        """`the cup`, `my dog`."""
        return f"{self.article} {self.words}".strip()

    @property
    def new(self) -> str:
        """`a cup`, `some water`, `my dog`."""
        return f"{self.indefinite} {self.words}".strip()


@lru_cache(maxsize=1024)  # an instruction asks some ten times for the nouns of a few labels
def noun(label: str, *, attributes: tuple[str, ...] = ()) -> Noun:
    """The noun for a label, with at most two attributes before it and one after it.

    A label without a usable word becomes "object".
    """
    name = clean_label(label)
    name = "object" if all(word in _ARTICLES for word in name.lower().split()) else name
    first, _, rest = name.partition(" ")
    if first.lower() in _ARTICLES and rest:
        name, first = rest, rest.partition(" ")[0]
    head = head_word(name)
    plural = is_plural(head) or first.lower() in _NUMERALS or _is_several(name)
    owned = first.lower() in _DETERMINERS
    words = name if owned else _described(name, attributes)
    indefinite = "" if owned or first.lower() in _NUMERALS else _indefinite(words, head, plural)
    return Noun(words, "" if owned else "the", indefinite, plural, many=_many(name, head, plural))


def kind_key(label: str) -> str:
    """A key that is equal for labels that name the same kind of thing."""
    return noun(label).words.casefold()


def clean_label(label: str) -> str:
    """A label that can stand inside a sentence; '' if no word is left.

    It is on one line, without markup, brackets or marks that end a sentence. Class names are in lower case.
    """
    text = unicodedata.normalize("NFC", label).replace("_", " ")
    text = _ABBREVIATION.sub(r"\1", text)  # "U.S. flag" becomes "US flag", before full stops go
    text = _ASIDE.sub(" ", text)
    text = "".join(" " if unicodedata.category(c) in _UNFIT or c in _MARKS else c for c in text)
    text = _STOP.sub(" ", text)
    words = [word for word in text.split() if any(c.isalnum() for c in word)]
    return _lowered(_cut(" ".join(words)).strip("-–'/& "))  # noqa: RUF001


def _cut(text: str) -> str:
    """The first LONGEST characters, cut between words if possible."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST] if " " not in text[: LONGEST + 1] else text[: LONGEST + 1].rsplit(" ", 1)[0]


def _lowered(name: str) -> str:
    """Class names such as "Coffee cup" or "PERSON" in lower case; "Eiffel Tower", "LED" and "iPhone" as they are."""
    calm = [w.lower() if w.isupper() and sum(map(str.isalpha, w)) >= SHORTEST_SHOUT else w for w in name.split()]
    if calm and calm[0].istitle() and len(calm[0]) > 1 and all(word == word.lower() for word in calm[1:]):
        calm[0] = calm[0].lower()
    return " ".join(calm)


def _is_several(name: str) -> bool:
    """Whether a name joins two things ("salt and pepper"), not two adjectives ("black and white cat")."""
    left, joined, right = name.lower().partition(" and ")
    return bool(joined) and " " not in right and left.split()[-1] not in COLOURS


def _many(name: str, head: str, plural: bool) -> str:
    """The plural of a name: `cups`, `glasses of water`; '' if the rules cannot form it with certainty."""
    if plural or head in MASS or not head.isascii() or not head[-1].isalpha() or " and " in name:
        return ""
    words = name.split()
    at = next(i for i, word in enumerate(words) if word.lower() == head)
    return " ".join([*words[:at], pluralize(words[at]), *words[at + 1 :]])


def _indefinite(words: str, head: str, plural: bool) -> str:
    """The article for something that was not mentioned before: `a`, `an`, `some` or `a pair of`."""
    if plural:
        return "a pair of" if head in PAIRED else "some"
    return "some" if head in MASS else indefinite_article(words)


def _described(name: str, attributes: tuple[str, ...]) -> str:
    """The name with its attributes: `round silver coin with a hole`."""
    known = set(name.lower().split())
    clean = [word for word in dict.fromkeys(clean_label(a) for a in attributes) if word and word.lower() not in known]
    before = [word for word in clean if len(word.split()) <= 2 and word.lower().split()[0] not in LINKS | _ARTICLES]
    after = [word for word in clean if len(word.split()) > 1 and word.lower().split()[0] in ("with", "made", "in")]
    return " ".join([_adjectives(before[:2]), name, *after[:1]]).strip()


def _adjectives(words: list[str]) -> str:
    """Adjectives in their English order: others, size, age, shape, colour, material; two colours are joined."""
    ordered = sorted(dict.fromkeys(part for word in words for part in _parts(word)), key=_rank)
    joined = ordered[:1]
    for before, part in pairwise(ordered):
        joined += ["and", part] if _rank(before) == _rank(part) == _COLOUR_RANK else [part]
    return " ".join(joined)


def _parts(words: str) -> list[str]:
    """The adjectives of `small wooden`, one by one; `dark red`, `deep blue` and `white gold` stay together."""
    parts = words.split()
    ranks = [_rank(part) for part in parts]
    is_shade = parts[0].lower() in _SHADES and ranks[-1] == _COLOUR_RANK
    return [words] if is_shade or 0 in ranks or len(set(ranks)) < len(ranks) else parts


def _rank(adjective: str) -> int:
    last = adjective.lower().split()[-1].rpartition("-")[2]
    return next((rank for rank, group in enumerate(_ADJECTIVES, 1) if last in group), 0)


def mentions_size(attributes: tuple[str, ...]) -> bool:
    """Whether an attribute is a size, such as "large": one for its kind, which may be small in the picture."""
    return any(word in _SIZES for attribute in attributes for word in clean_label(attribute).lower().split())
