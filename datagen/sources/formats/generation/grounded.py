"""Parses grounded captions: "a dog (starts at [0.1, 0.2] and extends upto [0.5, 0.9]) on a lawn".

BLIP3-GROUNDING-50M writes a bounding box after a name in this form, or as `<bbox>0.1, 0.2, 0.5, 0.9</bbox>` (its card;
the exact spelling is from a loader of it, see docs/mige-generation.md). The start of the name is not marked. So the
name is the words before the box: back to an article, but not across a word that cannot be part of a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

MOST_WORDS = 4
"""The most words of a name that follows an article; without an article, half as many."""

_NUMBER = r"(-?\d*\.?\d+)"
_CORNER = rf"[\[(]?\s*{_NUMBER}\s*,\s*{_NUMBER}\s*[\])]?"
_PLACE = re.compile(
    rf"<bbox>\s*{_CORNER}\s*,\s*{_CORNER}\s*</bbox>|starts\s+at\s+{_CORNER}\s+and\s+extends\s+up\s?to\s+{_CORNER}",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\s,;()\[\]]*(?:and)?[\s,;()\[\]]*")
_FARTHEST = 20
"""The most characters between two boxes of one name."""
_BEFORE, _AFTER = re.compile(r"\s*[(\[]?\s*$"), re.compile(r"\s*[)\]]")
_POSITION = re.compile(r"\s*\((?:located\s+)?(?:at|in|on|near)\s+the\s[^()]{1,60}\bof the image\)", re.IGNORECASE)
_TAIL = re.compile(r"(?<=[.!?])\s+(?:The image contains|Despite|Although|This sentence|The detailed)\b")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")  # noqa: RUF001
_ARTICLES = frozenset(("a", "an", "the"))
_OUTSIDE = frozenset(
    word
    for words in (
        "of in on at with without and or but by for from to into onto over under near behind beside between through",
        "against around across along is are was were be been has have had does do stands sits lies wears holds shows",
        "features contains that which who whose where while as it its his her their this that these those there",
    )
    for word in words.split()
)
"""Words that are never part of a name: a name begins behind them."""


class Words(NamedTuple):
    """A name in a caption, by its characters [start, end), and the boxes of what it names.

    A box is x0, y0, x1, y1 as fractions of the picture, 0 to 1.
    """

    start: int
    end: int
    boxes: tuple[tuple[float, float, float, float], ...]


class Grounded(NamedTuple):
    """A caption without boxes, and the names in it that had boxes."""

    caption: str
    words: tuple[Words, ...]


def parse(text: str) -> Grounded:
    """Parse a text with boxes. Invalid boxes, and positions described in words, are removed from the caption."""
    text = " ".join(text.split())  # long white space would make the patterns slow
    tail = _TAIL.search(text)
    caption, at, found = "", 0, []
    for first, last, boxes in _groups(text[: tail.start()] if tail else text):
        caption += text[at:first]
        at = last
        name = _name_at_end(caption)
        if name and boxes:
            found.append(Words(*name, boxes))
    caption += text[at : tail.start() if tail else len(text)]
    return Grounded(*_collapse_spaces(caption, found))


def _groups(text: str) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
    """Runs of boxes with only punctuation between them: the characters [first, last) of a run, and its boxes."""
    places = [*_PLACE.finditer(text), *_POSITION.finditer(text)]
    run: list[re.Match[str]] = []
    for place in [*sorted(places, key=lambda place: place.start()), None]:
        if run and (place is None or not _is_between(text, run[-1].end(), place.start())):
            yield (
                *_without_brackets(text, run[0].start(), run[-1].end()),
                tuple(box for one in run for box in _boxes(one)),
            )
            run = []
        if place is not None:
            run.append(place)


def _is_between(text: str, first: int, last: int) -> bool:
    """Whether there is only punctuation, or an "and", between two boxes."""
    return last - first <= _FARTHEST and _BETWEEN.fullmatch(text, first, last) is not None


def _without_brackets(text: str, first: int, last: int) -> tuple[int, int]:
    """Extend a run of boxes by the white space before it and the brackets around it."""
    before = _BEFORE.search(text[max(0, first - 20) : first])
    opening = before[0] if before else ""
    after = _AFTER.match(text, last) if opening.strip() else None
    return first - len(opening), after.end() if after else last


def _boxes(place: re.Match[str]) -> Iterator[tuple[float, ...]]:
    numbers = [float(group) for group in place.groups() if group is not None]
    if len(numbers) == 4:
        x0, y0, x1, y1 = (min(1.0, max(0.0, number)) for number in numbers)
        if x0 < x1 and y0 < y1:
            yield x0, y0, x1, y1


def _name_at_end(text: str) -> tuple[int, int] | None:
    """The characters [start, end) of the name at the end of a text; None if there is no name."""
    # Only the end is searched: all of a long caption again for each of its names would take quadratic time.
    words = [*_WORD.finditer(text, max(0, len(text) - 200))]
    taken: list[re.Match[str]] = []
    end = len(text.rstrip())
    for word in reversed(words):
        gap = text[word.end() : taken[-1].start() if taken else end]
        if gap.strip() or word[0].lower() in _OUTSIDE or len(taken) == MOST_WORDS:
            break
        if word[0].lower() in _ARTICLES:
            return (taken[-1].start(), end) if taken else None
        taken.append(word)
    sure = taken[: MOST_WORDS // 2]
    return (sure[-1].start(), end) if sure else None


def _collapse_spaces(text: str, words: Sequence[Words]) -> tuple[str, tuple[Words, ...]]:
    """The text with single spaces and none at its ends, and the names with their positions in it."""
    places: list[int] = []
    result = ""
    for character in text:
        places.append(len(result))
        blank = character.isspace()
        if not blank or (result and result[-1] != " "):
            result += " " if blank else character
    places.append(len(result))
    result = result.rstrip()
    return result, tuple(Words(places[one.start], places[one.end], one.boxes) for one in words)
