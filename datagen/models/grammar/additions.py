"""Parse instructions of the form `add X to Y` by rules.

An instruction is parsed if it adds one named thing, and no further clause or sentence adds or replaces another. The
name of the thing ends before the first preposition of place: "add a cup of tea | on the table".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from datagen.core.fields import PLACEHOLDER
from datagen.models.grammar.first_words import ADDING_WORDS, REPLACING_WORDS
from datagen.models.grammar.replacements import PRONOUNS, is_pronoun, name_of_new

_OPENING = re.compile(rf"\s*(?:please,?\s+)?(?:{'|'.join(ADDING_WORDS)})\s+", re.IGNORECASE)
_PLACE = re.compile(
    r"\s+(?:to|on|onto|in|into|at|over|under|above|below|behind|beside|near|inside|between|by|beneath|around|through"
    r"|across|along|against|next\s+to)\s",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"[;:?!]|[.,]\s+\S|\band\b|\bthen\b", re.IGNORECASE)
_UNNAMED = PRONOUNS - {"his", "her"}
"""A phrase that ends with one of these names nothing."""
_NEW_AGAIN = "|".join((*ADDING_WORDS, *REPLACING_WORDS, "swap"))
_ALSO_NEW = re.compile(
    rf"(?:[.;!?,]\s+|\s(?:and|then|also)\s+)(?:(?:and|then|also|please)\b,?\s*)*(?:{_NEW_AGAIN})\s", re.IGNORECASE
)
"""A second thing that comes into the picture, in another clause."""


class Addition(NamedTuple):
    """An instruction in parts: `before`, then the new thing, then `after` make up the whole text."""

    before: str
    """The text up to the new thing, without the space before it: `add`."""
    after: str
    """The text after the new thing, with its leading space: ` on the table`, or ''."""
    subject: str
    """The name of the new thing, without an article or "another"."""


def parse_addition(text: str) -> Addition | None:
    """The parts of an instruction; None if it has another form, or names several things or none.

    An instruction that already holds a placeholder is not parsed.
    """
    whole = " ".join(text.split())
    opening = _OPENING.match(whole)
    if opening is None or PLACEHOLDER in whole:
        return None
    place = _PLACE.search(whole, opening.end())
    stop = place.start() if place else len(whole.rstrip(".! "))
    new = whole[opening.end() : stop]
    if not new.strip() or _SEVERAL.search(new) or new.lower().split()[-1] in _UNNAMED or is_pronoun(new):
        return None
    name = name_of_new(new)
    if not name or _ALSO_NEW.search(whole, stop):
        return None
    return Addition(whole[: opening.end()].rstrip(), whole[stop:], name)
