"""Parse instructions of the form `replace X with Y` by rules.

An instruction is parsed if it is one sentence with one replacement that names the new thing. Nothing is guessed if it
can be read in two ways. A phrase of place ("in the bottom left", "on the road", "in the image") is not part of the new
thing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from datagen.core.english import head_word, word_set
from datagen.core.fields import PLACEHOLDER
from datagen.models.grammar.phrases import noun
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
PRONOUNS = word_set(
    "it them this that these those he she him her they we us me you i himself herself itself themselves myself "
    "yourself his hers theirs mine yours ours something anything nothing everything someone anyone somebody anybody "
    "everyone everybody nobody none another others one ones"
)
"""Words that name no thing by themselves."""
_NOTHING = PRONOUNS - word_set("one ones another his her") | {"else"}
_ANOTHER = re.compile(
    r"^(?:another|an?\s+different|an?other|different|some\s+other"
    r"|(?:an?\s+|the\s+)?(?:second|third|fourth|fifth|additional|extra|further)(?!\s+hand\b)"
    r"|(?:one|some|a\s+few|a\s+couple|a\s+lot|lots|many)\s+more(?:\s+of)?|more)\s+",
    re.IGNORECASE,
)
"""Words before a name that mean a further thing of a kind: `another cup`, `more cups`."""
_QUANTITY = re.compile(r"^(?:some|a few|a couple of|several|many|lots of|a lot of|plenty of)\s+(?=\S)", re.IGNORECASE)
_MORE = re.compile(r"^(\w+)\s+(?:more|additional|extra|other)\s+", re.IGNORECASE)
_DOING = re.compile(
    r"(?<=\w)\s+(?:walking|running|sitting|standing|lying|flying|jumping|swimming|sleeping|eating|drinking|smiling"
    r"|laughing|dancing|playing|waving|floating|grazing|hiking|resting|waiting|talking|singing|crying|kneeling"
    r"|crawling|hovering|hopping|looking|falling|climbing)$",
    re.IGNORECASE,
)
"""What the thing does, at the end of its name: `people | walking`."""


class Replacement(NamedTuple):
    """An instruction in parts: `before`, then `new`, then `after` make up the whole text."""

    before: str
    """The text up to the new thing, without the space before it: `replace the bird with`."""
    old: str
    """The replaced thing, as written: `the bird`."""
    new: str
    """The new thing, as written: `a parrot`."""
    after: str
    """The text after the new thing, with its leading space: ` on the branch`, or ''."""
    subject: str
    """The name of the new thing without article: `parrot`. For "another one" it is that of the old thing."""


def parse_replacement(text: str) -> Replacement | None:
    """The parts of an instruction; None if it has another form, or can be read in two ways.

    An instruction that already holds a placeholder is not parsed.
    """
    whole = " ".join(text.split())
    opening = _OPENING.match(whole)
    if opening is None or PLACEHOLDER in whole or _SEVERAL.search(whole.rstrip(".! ")):
        return None
    joined = list(re.finditer(rf"\s(?:{_JOINED_BY[opening[1].lower()]})\s", whole[opening.end() :], re.IGNORECASE))
    if len(joined) != 1:
        return None  # "replace the man with a hat with a dog" can be read in two ways
    start, end = (opening.end() + at for at in joined[0].span())
    place = _PLACE.search(whole, end)
    stop = place.start() if place else len(whole.rstrip(".! "))
    old, new = whole[opening.end() : start], whole[end:stop]
    subject = _subject(new, old)
    return Replacement(whole[: end - 1], old, new, whole[stop:], subject) if subject else None


def _subject(new: str, old: str) -> str:
    """`parrot` for "a parrot", `desk` for "a white one" in place of "the desk"; '' if neither names a thing."""
    words = new.split()
    if not words or not old.strip() or {word.lower() for word in (words[-1], words[0])} & _NOTHING:
        return ""
    if is_pronoun(new):
        return ""
    if words[-1].lower() in ("one", "ones"):
        return head_word(noun(old).words) if noun(old).words != "object" else ""
    return name_of_new(new)


def is_pronoun(words: str) -> bool:
    """Whether words are a single pronoun, such as "him", that names no thing; "one" is none here."""
    return words.strip(" .,!?").lower() in PRONOUNS - {"one", "ones"}


def name_of_new(words: str) -> str:
    """The name of a new thing, as a noun without an article: `flowers` of "some more flowers", `dog` of "a second dog".

    It has no "walking" or the like at its end. '' if the words name no thing.
    """
    name = _DOING.sub("", _QUANTITY.sub("", _MORE.sub(r"\1 ", _ANOTHER.sub("", words.strip()))))
    name = noun(name).words
    return "" if (name == "object" and "object" not in words.lower()) or name.lower() in PRONOUNS else name
