"""Split an instruction into the texts of its single edits, each in the instruction's own words."""

from __future__ import annotations

import re

from datagen.models.grammar.chunker import chunks_of
from datagen.models.grammar.clauses import FILLERS, plain, starts_clause
from datagen.models.grammar.edit_parts import EditPart, decompose_edit

_FILLER = rf"(?:{'|'.join(sorted(FILLERS - {'or'}))})\b"
_JOINT = re.compile(rf"[.,;!?]+ (?:{_FILLER}[ ,]*)*| (?:and|but|then)\b[ ,]*(?:{_FILLER}[ ,]*)*", re.IGNORECASE)
"""What may stand between two edits: the end of a sentence, a comma or a conjunction, and fillers such as "also"."""


def split_edit(text: str) -> list[str]:
    """The texts of the edits that an instruction asks for, in its order; at least one.

    It is cut where a clause with a verb of its own begins, and only if the two sides, each read by itself by
    `decompose_edit`, mean what the whole does. So "add a cat and make it red" stays in one: its second half alone does
    not say what is made red. So do "add a cat and a dog", and an instruction that is not understood.
    """
    whole = " ".join(text.split())
    meaning = decompose_edit(whole)
    cut: tuple[list[EditPart], str, str] | None = None
    for joint in _JOINT.finditer(whole) if len(meaning) > 1 else ():
        first, rest = whole[: joint.start()], whole[joint.end() :]
        begins = decompose_edit(first)
        if cut and len(begins) > len(cut[0]):
            break
        if begins != meaning[: len(begins)] or not starts_clause(chunks_of(plain(rest))):
            continue
        if decompose_edit(rest) == meaning[len(begins) :]:
            cut = begins, first, rest  # a later cut of the same meaning leaves "and keep the rest" with its edit
    return [*split_edit(cut[1]), *split_edit(cut[2])] if cut else [whole.rstrip(" .,;")]
