"""What one clause says to the clauses beside it: the edits that it asks for, and what it only names or leaves open."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from datagen.core.english import word_set
from datagen.models.grammar.chunks import Chunk, line_of
from datagen.models.grammar.clauses import FILLERS, EditClause
from datagen.models.grammar.edit_forms import (
    ACTING,
    ANCHORED,
    FINITE,
    WISHED,
    ClauseForm,
    forms_of,
    is_several,
    last_colour,
)

_PARTICLES = word_set("in out up down off over on away into onto")
_NOT_SHOWN = re.compile(
    r"(?:please |just )*(?:do not|never) (?:show|keep|include|want|have|need|see)\b(?!.*\b(?:where_it_is|L)\b)"
)
"""A line such as "do not show the star", which asks for a removal."""
_SEEN = re.compile(
    r"do (?:we|you|i) (?:really )?(?:need|see|want)\b|(?:well |so |ok )?(?:i|we|you) (?:can |also |already )?(?:see"
    r"|notice|have|find|count|spot|get|know|like|love|hate|do not (?:like|love)|never (?:like"
    r"|love))(?! rather)\b(?! (?:to|C)\b)"
)
"""A line that says what somebody sees or likes: it asks for nothing."""
_FILLERS = FILLERS | word_set(", : . ! oh hey hi hello yes actually hmm no simply again quickly carefully additionally")
_UNWANTED = re.compile(r"\b(?:not|never)\b.*\b(?:want|need|require|see|have|keep)\b")
_VAGUE = word_set(
    "change edit modify adjust do try use show make alter update fix see have give let amend go rework retouch apply "
    "perform get take pick"
)
"""Verbs that leave open what is done, where their object is a pronoun."""
_VACATED = re.compile(
    r"\b(?:same|vacated|empty|freed|resulting|that|very) (?:place|spot|gap|position|location|space|hole|area)\b",
    re.IGNORECASE,
)


class Reading(NamedTuple):
    """A clause as it was read."""

    forms: list[ClauseForm]
    """What it asks for; [] if nothing, or if it is not understood."""
    named: str = ""
    """The thing that it names, and that a later pronoun may mean; '' if none."""
    is_new: bool = False
    """Whether that thing is not there yet."""
    wishes: bool = False
    """Whether it asks for something, understood or not."""
    several: str = ""
    """The name of equal things that it counts or calls together, '' if none."""
    is_one: bool = False
    """Whether it is about one of them."""
    is_vague: bool = False
    """Whether it leaves open what is done, such as "change it": a clause beside it says that."""
    colour: str = ""
    """A colour that it only mentions."""
    instead: bool = False
    """Whether what it brings comes in the place of something."""
    is_state: bool = False
    """Whether it says how something is to look or what it is to do."""
    negated: bool = False
    """Whether it only says that something is not wanted."""
    vacated: bool = False
    """Whether it brings something to a place that it does not name, such as "there"."""


def read_clause(clause: EditClause) -> Reading:
    """What a clause asks for and names."""
    chunks = _with_verb(clause.chunks)
    line = line_of(chunks)
    things = [chunk for chunk in chunks if chunk.is_thing]
    named = _named(chunks, line, things, is_aside=clause.aside)
    several = next((chunk.name for chunk in things if chunk.name and is_several(chunk)), "")
    one_of = any("one_of" in chunk.cues or chunk.symbol == "O" for chunk in things)
    if clause.aside:
        return Reading([], named, several=several, is_one=one_of)
    if (
        re.match(r"instead_of|where (?:\w+ ){0,2}D\b", line)
        and "A" not in line.split()
        and len(_mains(things)) < 2
        and not any(chunk.symbol == "C" for chunk in chunks)
    ):
        return Reading([], named, several=several, is_one=one_of, instead=True)
    is_new = any(thing.symbol == "A" and thing.name == named for thing in things) and "there_be" not in line
    wishes = _asks(chunks, line)
    forms = forms_of(chunks, line, things, clause) if wishes else []
    instead = bool(re.search(r"\binstead\b|\binstead_of I\b", line))
    vacated = bool(_VACATED.search(clause.text)) or bool(
        re.search(r"\bwhere_it_is\b|\bA L\b|\bL (?:\w+ )?A\b|\bfill L\b", line)
    )
    return Reading(
        forms,
        named,
        is_new=is_new,
        wishes=wishes,
        several=several,
        is_one=one_of,
        is_vague=_is_vague(chunks, line, forms),
        colour="" if forms else last_colour(chunks),
        instead=instead,
        is_state=bool(re.search(r"\b(?:state|T)\b", line)) or any(chunk.symbol in ACTING for chunk in chunks),
        negated=bool(_UNWANTED.search(line)) and not any(chunk.form == "remove" for chunk in chunks),
        vacated=vacated,
    )


def _is_vague(chunks: Sequence[Chunk], line: str, forms: Sequence[ClauseForm]) -> bool:
    """Whether what is done stands in another clause: "change it", "do that", "show me"."""
    if next((chunk.symbol for chunk in chunks if chunk.form), "") not in _VAGUE:
        return False
    pointing = all(chunk.symbol in ("I", "Q", "E") for chunk in chunks if chunk.is_thing or chunk.symbol in ("Q", "E"))
    if pointing and "A" not in line and not re.search(r"\b(?:C|L|T|state|out|away|off)\b", line):
        return True
    return len(forms) == 1 and forms[0].is_open and not re.search(r"\b(?:T|state)\b", line)


def _named(chunks: Sequence[Chunk], line: str, things: Sequence[Chunk], *, is_aside: bool) -> str:
    """The thing that a clause names, and that a later pronoun may mean."""
    others = [chunk for chunk in chunks if chunk.symbol not in _FILLERS]
    if len(things) == 1 and others == [things[0]] and things[0].symbol == "B":
        return things[0].name  # "red star: make it blue"
    said = re.match(r"(?:I|G|L) be (?:\w+ )?A\b", line)
    is_remark = said and re.search(r"\b(?:photo|picture|image|shot|idea|work)$", things[-1].name)
    if is_remark or re.search(r"\bD of I\b", line):
        return ""
    mains = [thing for thing in _mains(things) if thing.preposition not in ("for", "like", "than")]
    news = [thing for thing in things if thing.symbol == "A" and thing.preposition not in ANCHORED]
    known = [thing for thing in things if thing.symbol == "D"] if "G" not in line.split() or "G" in line[-4:] else []
    order = (*reversed(mains), *reversed(news), *reversed(known), *(reversed(things) if is_aside else ()))
    return next((thing.name for thing in order if thing.name and thing.symbol != "B"), "")


def _with_verb(chunks: list[Chunk]) -> list[Chunk]:
    """The chunks with an unknown first word as a verb: "polish | the car", "comp in | a star"."""
    at = next((at for at, chunk in enumerate(chunks) if chunk.symbol not in _FILLERS), len(chunks))
    if at + 1 >= len(chunks) or chunks[at].symbol not in ("B", "N") or " " in chunks[at].words:
        return chunks
    after = [chunk.symbol for chunk in chunks[at + 1 : at + 3]]
    if after[0] in ("D", "A", "I") or (after[0] in _PARTICLES and after[1:] and after[1] in ("D", "A", "I")):
        verb = Chunk(chunks[at].words.lower(), chunks[at].words, form="other")
        return [*chunks[:at], verb, *chunks[at + 1 :]]
    return chunks


def _asks(chunks: Sequence[Chunk], line: str) -> bool:
    """Whether a clause asks for something, and does not only say what is there."""
    first = next((chunk for chunk in chunks if chunk.symbol not in _FILLERS), None)
    if first is None or first.symbol == "who":
        return "again" in line
    if re.match(r"(?:please |just )*(?:do not|never) ", line):
        return _NOT_SHOWN.match(line) is not None
    if _SEEN.match(line):
        return False
    if first.form and first.symbol not in ("look", "appear"):
        return True
    if re.match(r"(?:and )?I be A\b", line) and not re.search(r"\binstead\b", line):
        return False
    if re.match(r"not |(?:when|once|after|while) (?:you|i|we|D|G|I)\b", line):
        return False
    return (
        bool(WISHED.search(line))
        or bool(re.search(r"\bL (?:(?:for|of) D )?be (?:\w+ ){0,3}?L\b", line))
        or not FINITE.search(line)
    )


def _mains(things: Sequence[Chunk]) -> list[Chunk]:
    return [chunk for chunk in things if chunk.symbol != "A" and chunk.preposition not in ANCHORED]
