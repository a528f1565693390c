"""Decompose an instruction for an edit into its parts by rules: what is done, to what, and what that relies on."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, get_args

from datagen.models.grammar.clauses import clauses_of, sentences_of
from datagen.models.grammar.edit_forms import ClauseForm, forms_of
from datagen.models.grammar.edit_words import STANDING, is_foreign
from datagen.models.grammar.noun_phrases import COLOUR, joined_names, read_phrase
from datagen.models.grammar.thing_names import COLOUR_FAMILIES, may_be_same

Operation = Literal["add", "remove", "replace", "change", "move", "global", "undo", "unknown"]
OPERATIONS: tuple[str, ...] = get_args(Operation)
Cue = Literal["pronoun", "another", "one_of", "standing", "geometric"]
CUES: tuple[str, ...] = get_args(Cue)
MOST_PARTS = 24
"""Most parts of an instruction."""
LONGEST_EDIT = 1000
"""Most characters of an instruction that is read."""
_NOTICED = re.compile(
    r"^(?:(?:there\s*(?:is|are|'s)|i\s+(?:do\s+not|don'?t)\s+(?:really\s+)?like|i\s+(?:hate|dislike|like|love|can\s+see|see|notice|have)|you\s+(?:can\s+)?see|look\s+at|see|notice|note|find|locate|take|consider|pick|select|choose"
    r"|(?:this|the)\s+(?:image|picture|photo|scene)\s+(?:shows|has|contains))\s+|(?=(?:the|this|that|these|those|his|her)\s+.+\s(?:is|are|looks?|seems?|does|has|have)\s))",
    re.IGNORECASE,
)
"""How a sentence begins that only says what is there."""


class EditPart(NamedTuple):
    """One edit of one thing."""

    op: Operation
    object: str
    """Name of the thing, '' where it is not named or the edit is global."""
    renamed_to: str
    """What the thing is called after the edit, '' if its name stays."""
    refers_to: tuple[str, ...]
    """Names of other things that the instruction relies on; pronouns as they are written."""
    number: int
    """How many such things the clause is about, one part for each; 0 for several without a number."""
    cues: tuple[Cue, ...]
    """How it relies on other turns: `pronoun` (a thing named before), `another` (a further one of a kind), `one_of`
    (one of several), `standing` (an order for later turns); or `geometric`, a global edit that moves what is there."""


def decompose_edit(text: str) -> list[EditPart]:
    """The parts of an instruction in their order, at least one; one part with `unknown` if it is not understood.

    "Add three apples" becomes three parts. A pronoun whose noun stands in an earlier sentence of the same text is
    replaced by the noun. Other languages than English, and longer texts than `LONGEST_EDIT`, are not understood.
    """
    whole = " ".join(text.replace("\u2019", "'").split())
    if len(whole) > LONGEST_EDIT or is_foreign(whole):
        return [_UNKNOWN]
    parts: list[EditPart] = []
    named = ""
    for sentence in sentences_of(whole):
        order = STANDING.search(sentence)
        for clause in clauses_of(
            sentence[: order.start()] if order and _has_edit(sentence[: order.start()]) else "" if order else sentence
        ):
            found = _parts_of(clause, named, parts[-1] if parts else None)
            if found:
                parts += found
                named = found[-1].renamed_to or found[-1].object or named
            elif noticed := _NOTICED.match(clause):
                named = read_phrase(clause[noticed.end() :]).name or named
            else:
                parts.append(_UNKNOWN)
        if order:
            parts.append(_standing_order(sentence, order))
    known = [part for part in parts if part.op != "unknown"]
    return (known or [_UNKNOWN])[:MOST_PARTS]


def _has_edit(text: str) -> bool:
    """Whether a text asks for an edit by itself, so that a standing order after it is one of its own."""
    return any(
        part.op != "unknown"
        for clause in clauses_of(text)
        for part in _parts_of(clause, "", None)
        if len(clause.split()) > 1
    )


def _standing_order(sentence: str, order: re.Match[str]) -> EditPart:
    """The part of an order for later turns: what it asks for is not done in its own turn."""
    colour = re.search(rf"\b({COLOUR})\b", sentence[order.start() :], re.IGNORECASE) or re.search(
        rf"\b({COLOUR})\b", sentence, re.IGNORECASE
    )
    return EditPart("global", "", colour[1].lower() if colour else "", (), 1, ("standing",))


def main_part(parts: list[EditPart]) -> EditPart:
    """The part that stands for the whole instruction: the first one."""
    return parts[0]


_UNKNOWN = EditPart("unknown", "", "", (), 1, ())


def _parts_of(clause: str, named: str, before: EditPart | None) -> list[EditPart]:
    """The parts of one clause; [] if it asks for nothing. `named` is the thing that was named last in this text."""
    forms = forms_of(clause)
    if named and len(forms) == 1 and forms[0] == ClauseForm("global") and re.match(r"\w+\s+(?:it|this|that)\b", clause):
        forms = [ClauseForm("change", named)]  # "The lamp is too dark. Make it brighter."
    parts = [_part(form, named) for form in forms]
    if before and parts and before.op in ("add", "replace") and _only_places(parts[0], before):
        return []
    return [part for part in parts for _ in range(min(max(part.number, 1), MOST_PARTS))]


def _only_places(part: EditPart, before: EditPart) -> bool:
    """Whether a clause only says more about what the clause before it added: "add a cat and place it on the sofa"."""
    return part.op == "move" and may_be_same(part.object, before.renamed_to or before.object)


def _part(form: ClauseForm, named: str) -> EditPart:
    """A form as a part; a pronoun is replaced by the thing that was named last in the same text."""
    name, cues, refers = form.object, list(form.cues), list(form.refers_to)
    if named and "pronoun" in cues:
        cues.remove("pronoun")
        name = name or named
        refers = [named if word.lower() in _POINTING else word for word in refers]
        refers = [word for word in refers if not may_be_same(word, name)] if name == named else refers
    renamed = form.renamed_to
    if form.colour:
        renamed = recoloured(name, form.colour) if name else form.colour
    return EditPart(form.op, name, renamed, tuple(joined_names(refers)), form.number, tuple(cues))  # type: ignore[arg-type]


_POINTING = frozenset(["it", "them", "him", "her", "this", "that", "these", "those", "one"])


def recoloured(name: str, colour: str) -> str:
    """A name after its thing took a colour: `blue star` for "red star"."""
    shades = ("light", "dark", "deep", "bright", "pale", "vivid")
    words = [word for word in name.split() if word.lower() not in COLOUR_FAMILIES and word.lower() not in shades]
    return f"{colour.lower()} {' '.join(words or name.split()[-1:])}"
