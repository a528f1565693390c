"""Layouts like those of real photographs, and the skeleton of an instruction about one."""

from __future__ import annotations

import re

import numpy as np

from datagen.models.grammar import noun
from datagen.models.instructions.base import PictureLayout, PictureObject

_SIZES = [(640, 427), (512, 512), (384, 303), (600, 900), (1280, 720)]
_TABLE = ["espresso cup", "teaspoon", "saucer", "plate", "croissant", "glass of water", "scissors", "vase", "candle"]
_STREET = ["car", "bicycle", "bus", "man", "traffic light", "dog", "bench", "umbrella", "stop sign"]
_SKY = ["rocket", "tower", "cloud", "airplane", "moon"]
_ATTRIBUTES = ["silver", "red", "old", "small wooden", "round", "with a handle", "white", "striped"]


def realistic(rng: np.random.Generator) -> PictureLayout:
    """A row or grid of like things, a table, a street, a sky, or one thing alone."""
    size = _SIZES[rng.integers(len(_SIZES))]
    kind = int(rng.integers(5))
    if kind == 0:
        return _grid(rng, size, "coin" if rng.random() < 0.5 else "galaxy")
    labels = [_TABLE, _STREET, _SKY, _TABLE][kind - 1]
    things = [_thing(rng, size, str(rng.choice(labels))) for _ in range(int(rng.integers(1, 7)))]
    return PictureLayout(size, things[0], tuple(things[1:]))


def _thing(rng: np.random.Generator, size: tuple[int, int], label: str) -> PictureObject:
    w, h = (float(side * rng.uniform(0.06, 0.6)) for side in size)
    x, y = float(rng.uniform(0, size[0] - w)), float(rng.uniform(0, size[1] - h))
    some = rng.choice(_ATTRIBUTES, size=int(rng.integers(0, 3)), replace=False)
    return PictureObject(label, (x, y, x + w, y + h), tuple(map(str, some)))


def _grid(rng: np.random.Generator, size: tuple[int, int], label: str) -> PictureLayout:
    columns, rows = int(rng.integers(2, 7)), int(rng.integers(1, 5))
    w, h = size[0] / columns, size[1] / rows
    things = []
    for i in range(columns * rows):
        x, y = (i % columns) * w, (i // columns) * h
        inner = rng.uniform(0.08, 0.25, size=4) * (w, h, w, h)
        things.append(PictureObject(label, (x + inner[0], y + inner[1], x + w - inner[2], y + h - inner[3])))
    at = int(rng.integers(len(things)))
    return PictureLayout(size, things[at], tuple(things[:at] + things[at + 1 :]))


_NUMBERS = (
    r"(?:\b(?:about|roughly|just over|just under|less than|nearly|between) )?"
    r"\b(?:an? (?:twentieth|tenth|eighth|sixth|fifth|quarter|third)|half|twice|all|nearly(?= as)|one and a half times|"
    r"(?:two|three|four|nine) (?:fifths|thirds|quarters|tenths|times)|\d+ percent)\b"
)
_ARTICLES = (
    r"\b(?:one of the other|one of the|two of the other|two of the|two other|two|the|another|an?) (?:[a-z]+ ){0,3}?N\b"
)
_VERBS = {
    "spans?|takes? up|covers?|fills?|extends? across|occupy|occupies": "spans",
    "spanning|taking up|covering|filling|extending across|occupying": "spanning",
    "(?:is|are|be) located|stands?|sits?|lies?|appears?|is|are|be": "is",
    "sitting|lying|standing|located": "being",
    "place|put|position|set": "place",
    "scale|size": "scale",
    "keep|make|let": "make",
    "center|middle": "center",
    "falls": "is",
    "it|they": "it",
    "its|their": "its",
}
_RELATIONS = [
    r"(?:above|below) and to the (?:left|right) of",
    r"to the (?:left|right) of and (?:above|below)",
    r"to the (?:upper|lower) (?:left|right) of",
    r"(?:just |well |directly )?(?:to the )?(?:left|right) of",
    r"(?:just |well |directly |diagonally )?(?:above|below)(?! them| it)",
    r"(?:to|on) (?:its|their) (?:left|right)|(?:above|below) (?:it|them)|on either side",
    r"next to|close to(?! the \w+ edge)|near|right beside|(?:within|inside) the area (?:of|taken up by)",
    r"between(?= (?:two|the|an?other|an?|one) (?!(?:tenth|fifth|quarter|third) and))",
    r"(?:higher|lower|further left|further right)(?: in the \w+)? than",
    r"(?:much )?(?:larger|smaller|wider|narrower|taller|shorter) than",
]
_POSITION = r"(?<=^Add <imagehere> to the )[a-z -]+(?= of <imagehere>)"
_BULK = r"\b(?:very small|small|large|medium-sized)\b"


def skeleton(layout: PictureLayout, instruction: str) -> str:
    """An instruction with everything masked that the layout decides.

    Names (with their articles and attributes), numbers, the position, spatial
    relations, comparisons and size words become N, #, P, R and S; verbs and
    nouns that mean the same are one word, as are width and height.
    """
    text = re.sub(_POSITION, "P", instruction)
    for pattern in _RELATIONS:
        text = re.sub(rf"\b(?:{pattern})(?!\w)", "R", text)
    names = {form for thing in (layout.subject, *layout.others) for form in _forms(thing)}
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(name)}\b", "N", text)
    text = re.sub(_ARTICLES, "N", text)
    text = re.sub(_NUMBERS, " #", text)
    text = re.sub(_BULK, "S", text)
    text = re.sub(r"\b(?:picture|image|frame)\b", "picture", text)
    text = re.sub(r"\b(?:width|height)\b", "width", text)
    text = re.sub(r"\b(?:wide|tall)\b", "wide", text)
    text = re.sub(r"\b(?:left|right|top|bottom|upper|lower)\b", "P", text)
    for pattern, verb in _VERBS.items():
        text = re.sub(rf"\b(?:{pattern})\b", verb, text)
    return re.sub(r"\s+", " ", text)


def _forms(thing: PictureObject) -> set[str]:
    word = noun(thing.label)
    described = {noun(thing.label, attributes=(attribute,)).words for attribute in thing.attributes}
    return {word.words, word.many or word.words, *described}
