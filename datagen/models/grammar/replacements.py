"""`replace X with Y` taken apart by rules.

Understood are one sentence and one replacement, with the new thing named: what
allows two readings, or none, is not guessed. Phrases that tell a place ("in the
bottom left", "on the road", "in the image") are kept apart from the new thing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from datagen.core.fields import PLACEHOLDER
from datagen.models.grammar.phrases import head_word, noun
from datagen.models.grammar.picture_words import PictureWords

_JOINED_BY = {"replace": "with|by", "swap": "for", "exchange": "for", "change": "into", "turn": "into"}
_OPENING = re.compile(rf"\s*(?:please\s+)?({'|'.join(_JOINED_BY)})\s+", re.IGNORECASE)
_PICTURE = PictureWords().mention_pattern().pattern
_PLACE = re.compile(
    r"\s+(?:(?:in|at|on|to)\s+the\s+(?:[\w-]+\s+)*?"
    r"(?:bottom|top|left|right|middle|cent(?:er|re)|corner|side|background|foreground|distance)\b"
    rf"|(?:in|into|on|onto|to|at)\s+{_PICTURE}"
    r"|(?:on|under|over|above|below|behind|beside|near|inside|by|next\s+to|in\s+front\s+of)\s+(?:the|a|an|his|her|its)\s)"
    r".*$",
    re.IGNORECASE | re.DOTALL,
)
_SEVERAL = re.compile(
    r"[;:?!]|[.,]\s+\S|\b(?:and|then|but)\s+(?:replace|change|turn|add|remove|make|swap)\b", re.IGNORECASE
)
_NOTHING = frozenset(
    ("it", "them", "this", "that", "these", "those", "something", "anything", "nothing", "someone", "none", "else")
)
ANOTHER = re.compile(r"^(?:another|an?\s+different|an?other|different|some\s+other)\s+", re.IGNORECASE)
"""Words before the name of a thing that is not the first of its kind."""


class Replacement(NamedTuple):
    """An instruction in parts: `before`, the new thing and `after` are all of it."""

    before: str
    """Up to the new thing, without the space in front of it: `replace the bird with`."""
    old: str
    """What is replaced, as written: `the bird`."""
    new: str
    """What comes in its place, as written: `a parrot`."""
    after: str
    """The rest, with the space in front of it: ` on the branch`, or ''."""
    subject: str
    """The new thing's name without article, the old one's where it is another of that: `parrot`."""


def parse_replacement(text: str) -> Replacement | None:
    """The parts of an instruction; None where it is none of this form, or can be read in two ways."""
    whole = " ".join(text.split())
    opening = _OPENING.match(whole)
    if opening is None or PLACEHOLDER in whole or _SEVERAL.search(whole.rstrip(".! ")):
        return None
    joined = list(re.finditer(rf"\s(?:{_JOINED_BY[opening[1].lower()]})\s", whole[opening.end() :], re.IGNORECASE))
    if len(joined) != 1:
        return None
    start, end = (opening.end() + at for at in joined[0].span())
    place = _PLACE.search(whole, end)
    stop = place.start() if place else len(whole.rstrip(".! "))
    old, new = whole[opening.end() : start], whole[end:stop]
    subject = _subject(new, old)
    return Replacement(whole[: end - 1], old, new, whole[stop:], subject) if subject else None


def _subject(new: str, old: str) -> str:
    """`parrot` for "a parrot", `desk` for "a white one" in place of "the desk"; '' where nothing is named."""
    words = new.split()
    if not words or not old.strip() or {word.lower() for word in (words[-1], words[0])} & _NOTHING:
        return ""
    if words[-1].lower() in ("one", "ones"):
        return head_word(noun(old).words) if noun(old).words != "object" else ""
    name = noun(ANOTHER.sub("", new)).words
    return "" if name == "object" and "object" not in new.lower() else name
