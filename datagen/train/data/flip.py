"""Mirror an example: pictures, boxes, and the words left and right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from datagen.core.fields import Box

_OTHER: Final = {
    "left": "right",
    "right": "left",
    "leftmost": "rightmost",
    "rightmost": "leftmost",
    "leftward": "rightward",
    "rightward": "leftward",
    "leftwards": "rightwards",
    "rightwards": "leftwards",
    "lefthand": "righthand",
    "righthand": "lefthand",
    "clockwise": "counterclockwise",
    "counterclockwise": "clockwise",
    "anticlockwise": "clockwise",
}
_SIDE: Final = re.compile(
    rf"(?<![\w'])(?:counter-clockwise|anti-clockwise|{'|'.join(sorted(_OTHER, key=len, reverse=True))})(?![\w'])",
    re.IGNORECASE,
)
_BEFORE: Final = re.compile(
    r"(?:(?<!\w)(?:the|its|his|her|their|my|your|our|far|top|bottom|upper|lower|middle|mid|centre|center|on|to|from|at|in"
    r"|of|bottom-|top-|upper-|lower-|and|or|by|toward|towards|facing|faces|extreme|very|more|further|farther|slightly"
    r"|step|steps|pixels|flush)\s*|-)$",
    re.IGNORECASE,
)
"""What stands before a `left` or `right` that is a side."""
_AFTER: Final = re.compile(
    r"[\s-]*(?:side|sides|hand|half|edge|edges|corner|corners|part|third|quarter|end|border|margin|foreground"
    r"|background|arm|arms|leg|legs|eye|eyes|ear|ears|foot|shoulder|wing|shoe|sleeve|cheek|wall|lane|door|window"
    r"|one|of|to|and\s+right|and\s+left|or\s+left|or\s+right)(?!\w)",
    re.IGNORECASE,
)
"""What stands after one."""
_NO_SIDE: Final = re.compile(
    r"(?:(?<!\w)(?:all|is|are|was|were|has|have|had|be|been|just|not|that's|it's|you're|quite|exactly|what's)\s+$)",
    re.IGNORECASE,
)
"""What stands before one that is none: "all right", "the apple that is left", "right next to"."""
_BESIDE: Final = re.compile(
    r"\s+(?:next|beside|behind|above|below|under|underneath|over|in|on|at|before|after|away|now|here|there|where|alone"
    r"|as|over|out|untouched|unchanged|angle|angles|angled|triangle|triangles)(?!\w)",
    re.IGNORECASE,
)
"""What stands after one that is none."""


def flipped_words(text: str) -> str | None:
    """A text for the mirrored picture: sides and directions of rotation are exchanged.

    None if a `left` or `right` in it may be no side ("what is left", "right next to it"): the picture had better stay
    as it is than get the wrong words.
    """
    parts: list[str] = []
    end = 0
    for found in _SIDE.finditer(text):
        word = found[0]
        plain = word.lower().replace("-", "")
        if plain in ("left", "right") and not _is_side(text, found.start(), found.end()):
            return None
        parts += [text[end : found.start()], _in_case_of(word, _OTHER[plain])]
        end = found.end()
    return "".join([*parts, text[end:]])


def flipped_texts(texts: Sequence[str]) -> list[str] | None:
    """All texts of a sample for its mirrored picture; None if one of them could then be wrong."""
    flipped = [words for text in texts if (words := flipped_words(text)) is not None]
    return flipped if len(flipped) == len(texts) else None


def _is_side(text: str, start: int, end: int) -> bool:
    before, after = text[:start], text[end:]
    if _NO_SIDE.search(before) and not _AFTER.match(after):
        return False
    if _AFTER.match(after):
        return True
    return bool(_BEFORE.search(before)) and not _BESIDE.match(after)


def _in_case_of(word: str, other: str) -> str:
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other


def flipped_box(box: Box, *, width: float) -> Box:
    """A box xyxy in a mirrored picture of this width."""
    x0, y0, x1, y1 = box
    return (width - x1, y0, width - x0, y1)
