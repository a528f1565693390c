"""Reads an instruction and proves each of its claims from the boxes, with none of the writer's code.

Every phrase that claims something is a pattern here with its own geometry, in
pixels. What is left of the text once the claims are struck out must be glue,
so that no claim escapes the check.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.geometry import decode_rle
from datagen.models.instructions.base import Instruction, PictureLayout, PictureObject

Box = tuple[float, float, float, float]

FRACTION = {
    "a twentieth": 1 / 20, "a tenth": 1 / 10, "an eighth": 1 / 8, "a sixth": 1 / 6, "a fifth": 1 / 5,
    "a quarter": 1 / 4, "a third": 1 / 3, "two fifths": 2 / 5, "half": 1 / 2, "three fifths": 3 / 5,
    "two thirds": 2 / 3, "three quarters": 3 / 4, "four fifths": 4 / 5, "nine tenths": 9 / 10,
}  # fmt: skip
TIMES = {**FRACTION, "": 1, "one and a half times": 1.5, "twice": 2, "three times": 3, "four times": 4}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
GLUE = set(
    """
    it they its their them is are be has have sits sit sitting lies lie lying appears appear located stands stand standing spans span spanning up
    takes take taking covers cover covering fills fill filling extends extend extending across occupies occupy occupying
    becomes become becoming stays stay staying should once in place there so that where and with let make keep scale
    size to put position set the new of
    """.split()  # noqa: SIM905
)
_NAMES = "coin|cup|plate|tree|ball"
NP = rf"((?:the (?:nearest|other) |the |another |one of the (?:other )?|an? )(?:{_NAMES})s?)"
_F = "|".join(sorted(FRACTION, key=len, reverse=True))
SHARE = (
    rf"((?:about|roughly|just over|just under|less than) (?:{_F})|between (?:{_F}) and (?:{_F})"
    r"|nearly all|nearly|about \d+ percent)"
)
PICTURE = "(?:picture|image|frame)"


class Eye(NamedTuple):
    """The layout as the checker sees it."""

    layout: PictureLayout
    all_annotated: bool = False

    @property
    def box(self) -> Box:
        return self.clip(self.layout.subject.box)

    def clip(self, box: Box) -> Box:
        w, h = self.layout.size
        return max(box[0], 0), max(box[1], 0), min(box[2], w), min(box[3], h)

    def share(self, axis: int) -> float:
        return (self.box[axis + 2] - self.box[axis]) / self.layout.size[axis]

    def middle(self, axis: int) -> float:
        return (self.box[axis + 2] + self.box[axis]) / 2 / self.layout.size[axis]

    def all(self, label: str) -> list[Box]:
        """The boxes of that label, as far as they are in the picture."""
        boxes = [self.clip(thing.box) for thing in self.layout.others if thing.label == label]
        return [box for box in boxes if box[0] < box[2] and box[1] < box[3]]

    def meant(self, name: str) -> list[Box]:
        """The boxes that a name can mean; checks that its article is right."""
        label = next(label for label in _NAMES.split("|") if re.search(rf"\b{label}s?$", name))
        boxes = self.all(label)
        assert boxes, f"there is no {label}"
        own = label == self.layout.subject.label
        if name == f"the {label}":
            assert self.all_annotated, f"'{name}' may not be the only one"
            assert len(boxes) == 1, f"'{name}' is ambiguous"
            assert not own, f"'{name}' may be the subject"
        if "other" in name:
            assert own, f"'{name}' where the subject is no {label}"
        if name in (f"the other {label}", f"the nearest {label}"):
            assert self.all_annotated
        if name == f"the other {label}":
            assert len(boxes) == 1
        if name == f"the nearest {label}":
            boxes = [min(boxes, key=lambda b: apart(self.box, b, self.layout.size))]
        return boxes


def apart(a: Box, b: Box, size: tuple[int, int]) -> float:
    return max((max(a[i], b[i]) - min(a[i + 2], b[i + 2])) / size[i] for i in (0, 1))


def meets(value: float, share: str) -> bool:
    """Whether a number is what words say of it."""
    if share in ("nearly all", "nearly"):
        return 0.93 <= value <= 1
    if found := re.fullmatch(r"about (\d+) percent", share):
        return abs(value - int(found[1]) / 100) <= 0.0051
    if found := re.fullmatch(rf"between ({_F}) and ({_F})", share):
        return FRACTION[found[1]] < value < FRACTION[found[2]]
    kind, name = re.fullmatch(rf"(about|roughly|just over|just under|less than) ({_F})", share).groups()  # type: ignore[union-attr]
    number = FRACTION[name]
    low, high = {"about": (0.945, 1.055), "roughly": (0.945, 1.055), "just over": (1.02, 1.11)}.get(
        kind, (0.89, 0.98) if kind == "just under" else (0, 0.96)
    )
    return low * number <= value <= high * number


def stands(a: Box, b: Box, side: str) -> bool:
    """Whether `a` is wholly on that side of `b` and opposite it."""
    axis = 0 if side in ("left", "right") else 1
    first, second = (a, b) if side in ("left", "above") else (b, a)
    across = 1 - axis
    both = min(a[across + 2], b[across + 2]) - max(a[across], b[across])
    shorter = min(a[across + 2] - a[across], b[across + 2] - b[across])
    return first[axis + 2] < second[axis] and both >= 0.3 * shorter


def free(a: Box, b: Box, side: str, size: tuple[int, int]) -> float:
    axis = 0 if side in ("left", "right") else 1
    return max(b[axis] - a[axis + 2], a[axis] - b[axis + 2]) / size[axis]


def in_line(a: Box, b: Box, side: str, size: tuple[int, int]) -> bool:
    across = 1 if side in ("left", "right") else 0
    return abs(a[across] + a[across + 2] - b[across] - b[across + 2]) / 2 / size[across] <= 0.021


def off_corner(a: Box, b: Box, vertical: str, horizontal: str) -> bool:
    above = a[3] < b[1] if vertical in ("above", "upper") else a[1] > b[3]
    return above and (a[2] < b[0] if horizontal == "left" else a[0] > b[2])


Claim = Callable[[Eye, "re.Match[str]"], "set[str]"]
"""Raises AssertionError if the claim is false; gives the predicates that it states."""


def _any(eye: Eye, name: str, holds: Callable[[Box], bool], predicate: str) -> set[str]:
    assert any(holds(box) for box in eye.meant(name)), f"{predicate} {name}"
    return {predicate}


def _predicate(side: str) -> str:
    return side if side in ("above", "below") else f"to the {side} of"


def side_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    how, side, name = m["how"], m["side"], m["np"]

    def holds(box: Box) -> bool:
        gap = free(eye.box, box, side, eye.layout.size)
        near = {None: True, "just": gap <= 0.051, "well": gap >= 0.249}
        return stands(eye.box, box, side) and near.get(how, in_line(eye.box, box, side, eye.layout.size))

    return _any(eye, name, holds, _predicate(side))


def converse_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    side = OPPOSITE[m["side"]]
    return _any(eye, m["np"], lambda box: stands(eye.box, box, side), _predicate(side))


def corner_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    vertical = {"upper": "above", "lower": "below"}.get(m["v"], m["v"])
    return _any(eye, m["np"], lambda b: off_corner(eye.box, b, vertical, m["h"]), f"{vertical} and to the {m['h']} of")


def diagonal_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    sides = [h for h in ("left", "right") if any(off_corner(eye.box, b, m["v"], h) for b in eye.meant(m["np"]))]
    assert sides
    return {f"{m['v']} and to the {h} of" for h in sides}


def near_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    def holds(box: Box) -> bool:
        for side in OPPOSITE:
            if stands(eye.box, box, side):
                axis = 0 if side in ("left", "right") else 1
                least = min(b[axis + 2] - b[axis] for b in (eye.box, box)) / eye.layout.size[axis]
                return free(eye.box, box, side, eye.layout.size) <= min(0.051, 0.501 * least)
        return False

    return _any(eye, m["np"], holds, "next to")


def pixels(thing: PictureObject) -> NDArray[np.bool_]:
    """The mask of a thing, decoded."""
    assert thing.mask is not None, f"{thing.label} has no mask"
    return decode_rle(thing.mask.counts, (thing.mask.height, thing.mask.width))


def within_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    def holds(b: Box) -> bool:
        own = pixels(eye.layout.subject)
        around = [thing for thing in eye.layout.others if eye.clip(thing.box) == b and thing.mask is not None]
        return any((own & pixels(thing)).sum() >= 0.97 * own.sum() for thing in around)

    return _any(eye, m["np"], holds, "within")


def overlap_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    def holds(b: Box) -> bool:
        a = eye.box
        common = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
        areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
        return 0.29 * min(areas) <= common <= 0.81 * min(areas)

    return _any(eye, m["np"], holds, "overlapping")


def further_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    axis, sign = {"higher": (1, -1), "lower": (1, 1), "further left": (0, -1), "further right": (0, 1)}[m["w"]]
    least = 0.039 * eye.layout.size[axis]
    return _any(
        eye,
        m["np"],
        lambda b: all(sign * (eye.box[i] - b[i]) >= least for i in (axis, axis + 2)),
        f"{m['w']} than",
    )


def between_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    if m["np"]:
        first, second = eye.meant(m["np"]), eye.meant(m["np2"])
    else:
        label = re.search(r"(\w+?)s$", m["two"])[1]  # type: ignore[index]
        first = second = eye.all(label)
        assert len(first) >= 2
        assert ("other" in m["two"]) == (label == eye.layout.subject.label)
        assert not m["two"].startswith("the") or (eye.all_annotated and len(first) == 2)
    pairs = [(a, b) for a in first for b in second]
    axes = (("left", "right"), ("above", "below"))
    assert any(
        stands(eye.box, a, x) and stands(eye.box, b, y) for a, b in pairs for p, q in axes for x, y in ((p, q), (q, p))
    )
    return {"between"}


def flanked_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    boxes = eye.all(m["label"])
    for side in ("left", "right") if "either" in m["how"] else ("above", "below"):
        assert any(stands(eye.box, b, side) for b in boxes)
    return {"between"}


def most_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    assert eye.all_annotated
    boxes = eye.all(eye.layout.subject.label)
    assert len(boxes) >= 2
    axis, sign = {"leftmost": (0, -1), "rightmost": (0, 1), "topmost": (1, -1), "lowest": (1, 1)}[m["w"]]
    assert all(sign * (eye.box[i] - b[i]) > 0 for b in boxes for i in (axis, axis + 2))
    return {f"{m['w']} of"}


def compared_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    axis = 0 if m["adj"] == "wide" else 1

    def holds(b: Box) -> bool:
        return abs((eye.box[axis + 2] - eye.box[axis]) / (b[axis + 2] - b[axis]) / TIMES[m["n"].strip()] - 1) <= 0.055

    return _any(eye, m["np"], holds, f"about {m['n']}as {m['adj']} as")


def larger_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    def holds(b: Box) -> bool:
        wide, tall = ((eye.box[i + 2] - eye.box[i]) / (b[i + 2] - b[i]) for i in (0, 1))
        much = 2 if m["much"] else 1.1
        return {
            "larger": min(wide, tall) >= much,
            "smaller": max(wide, tall) <= 1 / much,
            "wider": wide >= 1.24,
            "narrower": wide <= 0.81,
            "taller": tall >= 1.24,
            "shorter": tall <= 0.81,
        }[m["w"]]

    return _any(eye, m["np"], holds, f"{m['much'] or ''}{m['w']} than")


def same_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    return _any(
        eye,
        m["np"],
        lambda b: all(0.89 <= (eye.box[i + 2] - eye.box[i]) / (b[i + 2] - b[i]) <= 1.11 for i in (0, 1)),
        "about the same size as",
    )


def shape_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    wide, tall = (eye.box[i + 2] - eye.box[i] for i in (0, 1))
    ratio = wide / tall if "wide" in m["a"] else tall / wide
    assert ratio >= 1.24 if "n" not in m.groupdict() else abs(ratio / TIMES[m["n"].strip()] - 1) <= 0.055
    return set()


def lengths_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    assert meets(eye.share(0), m["w"]), m["w"]
    assert meets(eye.share(1), m["h"] or m["w"]), m["h"]
    return set()


def length_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    axis = 0 if m["dim"] in ("width", "wide") else 1
    assert meets(eye.share(axis), m["w"]), m["w"]
    return set()


def area_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    assert eye.share(0) * eye.share(1) < FRACTION[m["f"]]
    return set()


def bulk_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    low, high = sorted((eye.share(0), eye.share(1)))
    assert {
        "small": high <= 0.2,
        "very small": high <= 0.1,
        "large": low >= 0.5,
        "medium-sized": 0.27 <= high <= 0.45 and low >= 0.15,
    }[m["w"]]
    return set()


def way_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    value = {"left": eye.middle(0), "right": 1 - eye.middle(0), "down": eye.middle(1)}[m.groupdict().get("end", "down")]
    assert meets(value, m["w"])
    return set()


def centered_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    axes = {"horizontally": (0,), "vertically": (1,)}.get(m["w"], (0, 1))
    assert all(abs(eye.middle(axis) - 0.5) <= 0.031 for axis in axes)
    return set()


def gaps(eye: Eye) -> dict[str, float]:
    (w, h), (x0, y0, x1, y1) = eye.layout.size, eye.box
    return {"left": x0 / w, "right": 1 - x1 / w, "top": y0 / h, "bottom": 1 - y1 / h}


def edge_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    assert 0 < gaps(eye)[m["edge"]] <= 0.051
    return set()


def clear_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    assert min(gaps(eye).values()) >= 0.119
    return set()


def inside_claim(eye: Eye, m: re.Match[str]) -> set[str]:
    side = {"upper": "bottom", "lower": "top", "left": "right", "right": "left"}[m["side"]]
    assert gaps(eye)[side] > {"half": 1 / 2, "third": 2 / 3}[m["part"]]
    return set()


def check_position(eye: Eye, words: str) -> None:
    """The position in the opening."""
    x, y, free_of = eye.middle(0), eye.middle(1), gaps(eye)
    across = {"left": x < 0.4 and free_of["right"] > 0.29, "right": x > 0.6 and free_of["left"] > 0.29}
    down = {"top": y < 0.4 and free_of["bottom"] > 0.29, "bottom": y > 0.6 and free_of["top"] > 0.29}
    down |= {"upper": down["top"], "lower": down["bottom"]}
    opposite = {"left": "right", "right": "left", "top": "bottom", "upper": "bottom", "bottom": "top", "lower": "top"}
    ends = [word for word in words.replace("-", " ").split() if word in opposite]
    assert words not in ("left", "right"), "it may mean outside the picture"
    if {"top", "bottom"} & set(ends) and not words.endswith("edge"):
        assert min(y, 1 - y) <= 0.251, f"'{words}' is farther in"
    if words in ("top", "bottom"):
        assert free_of[words] <= 0.061, "it may mean on top of the picture"
    assert all({**across, **down}[end] for end in ends) or words.endswith(("half", "third", "edge")), words
    for part, least in (("half", 1 / 2), ("third", 2 / 3), ("quarter", 1 / 2), ("corner", 1 / 2)):
        assert not words.endswith(part) or all(free_of[opposite[end]] > least for end in ends), words
    if words.endswith("edge"):
        assert free_of[ends[0]] <= 0.031
    if not ends:
        strict = words in ("center", "middle")
        assert words in ("center", "middle", "central part", "central area"), words
        for axis in (0, 1):
            off = abs(eye.middle(axis) - 0.5)
            low, high = (eye.box[i] / eye.layout.size[axis] for i in (axis, axis + 2))
            assert off <= (0.101 if strict else 0.171) or (not strict and low <= 0.33 and high >= 0.67), words
    elif {"center", "middle"} & set(words.split()):
        assert abs((y if ends[0] in ("left", "right") else x) - 0.5) <= 0.101, words


_TWO = r"(?P<two>(?:the two |two of the |two )(?:other )?(?:coin|cup|plate|tree|ball)s)"
_NP, _NP2 = NP.replace("(", "(?P<np>", 1), NP.replace("(", "(?P<np2>", 1)
_W, _H = SHARE.replace("(", "(?P<w>", 1), SHARE.replace("(", "(?P<h>", 1)
_N = rf"(?P<n>(?:(?:{'|'.join(n for n in TIMES if n)}) )?)"
_CENTER = "(?:its|their) (?:center|middle)(?: is| falls)?"
CLAIMS: list[tuple[str, Claim]] = [
    (rf"between (?:{_TWO}|{_NP} and {_NP2})", between_claim),
    (rf"(?:an?) (?P<label>{_NAMES}) (?P<how>on either side|both above and below (?:it|them))", flanked_claim),
    (rf"{_NP} (?:to|on) (?:its|their) (?P<side>left|right)", converse_claim),
    (rf"(?:with|has|have) {_NP} (?P<side>above|below) (?:it|them)", converse_claim),
    (rf"(?P<v>above|below) and to the (?P<h>left|right) of {_NP}", corner_claim),
    (rf"to the (?P<h>left|right) of and (?P<v>above|below) {_NP}", corner_claim),
    (rf"to the (?P<v>upper|lower) (?P<h>left|right) of {_NP}", corner_claim),
    (rf"diagonally (?P<v>above|below) {_NP}", diagonal_claim),
    (rf"(?:(?P<how>just|well|directly) )?(?:to the )?(?P<side>left|right) of {_NP}", side_claim),
    (rf"(?:(?P<how>just|well|directly) )?(?P<side>above|below) {_NP}", side_claim),
    (rf"(?:next to|close to|near|right beside) {_NP}", near_claim),
    (rf"(?:within|inside) the area (?:of|taken up by) {_NP}", within_claim),
    (rf"partly overlap(?:s|ping)? {_NP}", overlap_claim),
    (rf"(?P<w>higher|lower|further left|further right)(?: in the {PICTURE})? than {_NP}", further_claim),
    (rf"the (?P<w>leftmost|rightmost|topmost|lowest) of the (?:{_NAMES})s", most_claim),
    (rf"about {_N}as (?P<adj>wide|tall) as {_NP}", compared_claim),
    (rf"(?P<much>much )?(?P<w>larger|smaller|wider|narrower|taller|shorter) than {_NP}", larger_claim),
    (rf"about the same size as {_NP}", same_claim),
    (rf"about {_N}as (?P<a>wide|tall) as (?:it is|they are) (?:wide|tall)", shape_claim),
    (r"(?P<a>wider|taller) than (?:it is|they are) (?:wide|tall)", shape_claim),
    (rf"{_W} of the {PICTURE}'s width and (?:{_H} of its )?height", lengths_claim),
    (rf"{_W} as wide and (?:{_H} )?as tall as the {PICTURE}", lengths_claim),
    (rf"{_W} of the {PICTURE}'s (?P<dim>width|height)", length_claim),
    (rf"{_W} of the (?P<dim>width|height)", length_claim),
    (rf"{_W} as (?P<dim>wide|tall) as the {PICTURE}", length_claim),
    (rf"(?:its|their) (?P<dim>width|height) (?:is|comes to) {_W} of the {PICTURE}'s", length_claim),
    (rf"less than (?P<f>{_F}) of the {PICTURE}", area_claim),
    (
        rf"{_CENTER} {_W} of the way in from the (?P<end>left|right)",
        way_claim,
    ),
    (
        rf"{_CENTER} {_W} of the way down the {PICTURE}",
        way_claim,
    ),
    (rf"centered (?P<w>horizontally|vertically|in the {PICTURE})", centered_claim),
    (r"close to the (?P<edge>\w+) edge", edge_claim),
    (r"well clear of the edges", clear_claim),
    (rf"(?:entirely|wholly) in the (?P<side>\w+) (?P<part>half|third) of the {PICTURE}", inside_claim),
    (rf"(?P<w>very small|small|large|medium-sized)(?: in the {PICTURE})?", bulk_claim),
]


@cache
def whole_words(pattern: str) -> re.Pattern[str]:
    """The pattern of a claim, between the ends of words."""
    return re.compile(rf"\b{pattern}(?!\w)")


def assert_proven(layout: PictureLayout, written: Instruction, *, all_annotated: bool = False) -> None:
    """Raise AssertionError unless everything that an instruction says is so, and is all it says."""
    eye = Eye(layout, all_annotated)
    opening = re.match(r"Add <imagehere> to the ([a-z -]+?) of <imagehere>(.*)$", written.instruction)
    assert opening, written.instruction
    check_position(eye, opening[1])
    rest, stated = opening[2].replace(". ", " . ").lower(), set()
    for pattern, claim in CLAIMS:
        for match in whole_words(pattern).finditer(rest):
            try:
                stated |= claim(eye, match)
            except AssertionError as error:
                raise AssertionError(f"'{match[0]}' is false: {written.instruction} {layout} {error}") from error
        rest = whole_words(pattern).sub(" § ", rest)
    left = set(re.findall(r"[a-z0-9'-]+", rest)) - GLUE - {layout.subject.label}
    assert not left, f"unproven words {left}: {written.instruction}"
    assert {relation.predicate for relation in written.relations} <= stated
    assert "diagonally" in written.text or stated == {relation.predicate for relation in written.relations}
    _check_objects(written, {thing.label for thing in layout.others}, layout.subject)


def _check_objects(written: Instruction, labels: set[str], subject: PictureObject) -> None:
    assert all(r.subject == subject.label and r.object in labels for r in written.relations)
