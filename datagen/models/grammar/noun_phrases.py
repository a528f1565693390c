"""Read one noun phrase of an instruction: its name, its number, and whether it points back at something."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from datagen.models.grammar.phrases import MASS, noun
from datagen.models.grammar.thing_names import COLOUR_FAMILIES, GENERAL, singularize

_COUNTED = "two three four five six seven eight nine ten eleven twelve"
NUMBERS = {**{word: number for number, word in enumerate(_COUNTED.split(), 2)}, "both": 2, "dozen": 12}
_SEVERAL = r"some|several|many|a\s+few|few|a\s+lot\s+of|lots\s+of|a\s+bunch\s+of|a\s+group\s+of|multiple|various"
_ORDINALS = "second|third|fourth|fifth|sixth"
COLOUR = rf"(?:(?:light|dark|deep|bright|pale|vivid|pure|solid|neon|pastel|hot)[\s-]+)?(?:{'|'.join(COLOUR_FAMILIES)})"
"""A pattern for a colour word, with a shade before it."""
OWNERS = r"my|your|his|her|its|our|their"
PRONOUN = re.compile(
    r"(?:all\s+of\s+|both\s+of\s+)?(?:it|them|him|he|she|they|her(?!\s+\w)|(?:its|their|his)(?=\s*$)|itself|(?:this"
    r"|that|these|those)(?:\s+(?:one|ones|thing|object))?"
    r"|the\s+(?:same|latter|former)(?:\s+(?:one|ones|thing|object|item|place|spot))?"
    r"|the\s+(?:(?:new|newest|last|latest|previous|recent|added|said|aforementioned|first)\s+)?"
    r"(?:one|thing|object|item|element|addition|shape)s?"
    r"|your\s+(?:last\s+)?addition)\b(?!'s\b|\s+of\b)",
    re.IGNORECASE,
)
"""Words that stand for a thing that was named before."""
_ADDED_BEFORE = re.compile(
    r"\b(?:you(?:'ve|\s+have)?\s+(?:just\s+)?|that\s+was\s+|we(?:'ve)?\s+|i(?:'ve)?\s+"
    r"|just\s+|newly\s+)"
    r"(?:just\s+)?(?:added|put|placed|inserted|drew|drawn|changed|made|painted|gave)\b|\bfrom\s+before\b|\bearlier\b",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    rf"(?:yet\s+)?(?:another|an?\s+other|(?:just\s+)?one\s+more|an?\s+(?:{_ORDINALS}|further|additional|extra"
    rf"|similar|matching)"
    rf"|(?:the\s+)?(?:{_ORDINALS})|(?:\w+\s+)?(?:more|other|further|additional|extra)(?=\s+\w+s\b|\s+of\b)"
    r"|more(?=\s+(?:of\s+)?\w))\s*(?:of\s+(?:the\s+same|those|these|them|it|that)(?:\s+kind)?)?",
    re.IGNORECASE,
)
_CUT = re.compile(
    r"\s+(?:&|to|on|onto|in|into|at|over|under|above|below|behind|beside|besides|near|inside|outside|between|by|beneath"
    r"|around|through|across|along|against|next|from|for|up|down|off|out|upon|atop|within|underneath|towards?|after"
    rf"|before|of\s+(?:the|this|that|these|those|it|them|him|{OWNERS})|with|without|that|which|who|whose|where|so"
    rf"|because"
    r"|while|as|like|instead|there|here|too|also|again|back|please|now|somewhere|away|closer|nearer|further|farther"
    r"|anymore|any\s+more|higher|lower|a\s+(?:bit|little|lot)|slightly|is|are|was|were|looks?|seems?|does|has"
    r"|should|must|needs"
    r"|(?:sitting|standing|lying|running|wearing|holding|flying|sleeping|jumping|walking|swimming|hanging|floating"
    r"|looking|resting|leaning|eating|playing|riding|driving|facing|smiling|reading|drinking)"
    r"|(?:colou?red|painted|made|placed|located|positioned|filled|covered|called|named)"
    r"|(?:(?:top|bottom|upper|lower)[\s-]+(?:left|right|cent(?:er|re)|middle)))(?=[\s,;:]|$)|[,;:(]",
    re.IGNORECASE,
)  # fmt: skip
_IN_COLOUR = re.compile(
    rf"^\s*(?:in|that\s+(?:is|are)|which\s+(?:is|are)|colou?red|painted)\s+(?:in\s+)?(?:a\s+)?({COLOUR})(?=\W|$)"
    r"(?!\s+(?!colou?r|tone|shade|and\b|at\b|in\b|on\b|to\b)\w)",
    re.IGNORECASE,
)
_START = re.compile(
    r"(?:(?:all|both|each|every|any|either|one)\s+(?:of\s+)?"
    rf"(?=(?:the|these|those|{OWNERS})\b))?"
    rf"(?:(?P<indefinite>an?)|(?P<several>{_SEVERAL})"
    rf"|(?P<definite>the|this|that|these|those|all|every|each|any|{OWNERS}))\s+",
    re.IGNORECASE,
)
_ONE_OF = re.compile(
    rf"(?:just\s+|only\s+)?(?:one|two|three|any|either|each|the\s+\w+)\s+of\s+(?:the|these|those|them|{OWNERS})\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    rf"(?:(?P<pair>a\s+(?:pair|couple)\s+of|a\s+dozen)|(?P<word>{'|'.join(NUMBERS)})"
    rf"|(?P<digits>\d{{1,2}}))\s+(?:of\s+)?",
    re.IGNORECASE,
)
_OWNER = re.compile(rf"(?:({OWNERS})\s+|((?:the\s+)?[\w -]+?)'s\s+)", re.IGNORECASE)


class Phrase(NamedTuple):
    """A noun phrase in parts."""

    name: str
    """The thing's name without article and number, counted things in the singular; '' for a pronoun."""
    kind: str
    """`new` ("a cup", "three cups"), `known` ("the cup", "his cup"), `pronoun` ("it", "the new one") or `bare`."""
    number: int
    """How many things; 0 for several without a number."""
    cues: tuple[str, ...]
    """Of `pronoun`, `another` and `one_of`: how it points back at something."""
    owner: str
    """Whose it is: `cat` in "the cat's hat", `it` in "its hat"; '' if nobody's."""
    rest: str
    """What follows the name: " on the table"."""


def read_phrase(text: str) -> Phrase:
    """The noun phrase with which a text begins."""
    text = text.strip(" ,.;:!?\"'")
    cues: list[str] = []
    if found := PRONOUN.match(text):
        return Phrase("", "pronoun", 1, ("pronoun",), "", text[found.end() :])
    if found := _ONE_OF.match(text):
        cues.append("one_of")
        inner = read_phrase(text[found.end() - len(found[0].split()[-1]) :])
        return inner._replace(number=1, cues=(*cues, *inner.cues))
    text, kind, count, more = _opening(text)
    cues += more
    if _ADDED_BEFORE.search(text):
        cues.append("pronoun")
    text, owner = _owned(text) if kind != "new" else (text, "")
    cut = _CUT.search(f" {text}")
    stop = cut.start() - 1 if cut else len(text)
    name, rest = text[: max(0, stop)], text[max(0, stop) :]
    if colour := _IN_COLOUR.match(rest):
        name, rest = f"{colour[1]} {name}", rest[colour.end() :]
    return Phrase(_clean(name, count=count), kind, count, tuple(dict.fromkeys(cues)), owner, rest)


def _opening(text: str) -> tuple[str, str, int, list[str]]:
    """A phrase without its determiner; the phrase's kind, number and cues."""
    if found := _ANOTHER.match(text):
        number = NUMBERS.get(text.split(maxsplit=1)[0].lower(), 1)
        rest = text[found.end() :].strip()
        return rest, "new", number, ["another"]
    if found := _NUMBER.match(text):
        rest = text[found.end() :]
        another = re.match(r"(?:more|other|further|additional|extra)\s+", rest, re.IGNORECASE)
        return rest[another.end() :] if another else rest, "new", _number(found), ["another"] if another else []
    if not (found := _START.match(text)):
        return text, "bare", 1, []
    rest = text[found.end() :]
    if found["several"]:
        return rest, "new", 0, []
    if found["indefinite"]:
        return rest, "new", 1, []
    if counted := _NUMBER.match(rest):
        return rest[counted.end() :], "known", _number(counted), []
    words = found["definite"].lower()
    return (f"{words} {rest}", "known", 1, []) if re.fullmatch(OWNERS, words) else (rest, "known", 1, [])


def _number(found: re.Match[str]) -> int:
    """The number that a match of `_NUMBER` names."""
    if found["digits"]:
        return int(found["digits"])
    return NUMBERS[found["word"].lower()] if found["word"] else 12 if "dozen" in found[0].lower() else 2


def _owned(text: str) -> tuple[str, str]:
    """A phrase without its owner, and the owner."""
    found = _OWNER.match(text)
    if found is None or _CUT.search(text[: found.end()].rstrip()):
        return text, ""
    owner = "it" if found[1] and found[1].lower() not in ("my", "your", "our") else read_phrase(found[2] or "").name
    return text[found.end() :], owner


def _clean(name: str, *, count: int) -> str:
    """A name as a noun; its last word in the singular if several are counted; '' if no word is left."""
    words = noun(name).words if re.search(r"\w", name) else ""
    if words == "object" and "object" not in name.lower():
        return ""
    first, _, last = words.rpartition(" ")
    if count != 1 and last.lower() not in MASS:
        last = singularize(last) if last == last.lower() else last
    return f"{first} {last}".strip()


def is_general(name: str) -> bool:
    """Whether a name says nothing about the thing: `one`, `thing`, `red one`."""
    return not name or singularize(name.lower().split()[-1]) in GENERAL


def joined_names(names: Sequence[str]) -> list[str]:
    """Distinct names in their order, without empty ones."""
    return [name for name in dict.fromkeys(names) if name]
