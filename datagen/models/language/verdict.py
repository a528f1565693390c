"""`Verdict`: a yes or a no with its reason, the shape for any judge; give it as `shape` to a `LanguageModel`.

It is asked for as JSON, `{"answer": true, "reason": "..."}`. A model that
answers in words ("True.", "**No**, it is cut off.", "Answer: yes") is
understood too, where the words allow one reading; all else is an answer of the
wrong form, which the model is asked to mend.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Any, Self

from pydantic import ConfigDict, field_validator

from datagen.models.language.base import Spoken

_WORDS = {"true": True, "yes": True, "false": False, "no": False}
_LABEL = r"(?:(?:so|thus|the|my|final|overall) )*(?:answer|verdict|judge?ment|result)"
_ANSWER_IS = re.compile(rf"{_LABEL}(?: is| would be)? (true|yes|false|no)")
_LABEL_ALONE = re.compile(rf"{_LABEL}(?: is)?")
_LETTERS = re.compile(r"[^\W\d_]+")
_UNSURE = re.compile(r"\b(?:maybe|perhaps|possibly|unsure|uncertain|unclear|not sure|cannot (?:tell|say|see|judge))\b")
_QUOTES = r"['\u2018\u2019]"
_MARKS = re.compile(rf"[*_`#\"\u201c-\u201f()\[\]<>|~]|(?<!\w){_QUOTES}|{_QUOTES}(?!\w)")
_BREAKS = re.compile(r"[.,;:!?\n\r\u3001\u3002]|\s[-\u2013\u2014]+\s")
_BULLET = re.compile(r"^[-\u2013\u2014\s\d]+|[-\u2013\u2014\s\d]+$")


class Verdict(Spoken):
    """A yes or a no, and why."""

    model_config = ConfigDict(extra="ignore", strict=True)

    answer: bool
    """Whether it is so."""
    reason: str = ""
    """In the model's words, which nobody checked."""

    @field_validator("answer", mode="before")
    @classmethod
    def _from_word(cls, answer: Any) -> Any:
        return read_verdict(answer) if isinstance(answer, str) else answer

    @classmethod
    def from_words(cls, text: str) -> Self:
        """See `Spoken`; the whole text is the reason."""
        return cls(answer=read_verdict(text), reason=" ".join(text.split()))


def read_verdict(text: str) -> bool:
    """The yes or no that words come to, never a guess.

    It stands alone at the beginning or the end, or after "answer:"; nothing else there says the contrary, or doubts.
    Raises `ValueError` for all else.
    """
    plain = _MARKS.sub("", unicodedata.normalize("NFKC", text)).casefold()
    clauses = [" ".join(clause.split()) for part in _BREAKS.split(plain) if (clause := _BULLET.sub("", part))]
    told = {_WORDS[word] for word in _told(clauses)}
    said = {_WORDS[word] for clause in clauses for word in _perhaps_told(clause) if word in _WORDS}
    if len(told) != 1 or said - told or _UNSURE.search(plain):
        raise ValueError("it is neither a clear yes nor a clear no; the answer has to be true or false")
    return told.pop()


def _told(clauses: list[str]) -> list[str]:
    """The words that stand where an answer does."""
    alone = [*clauses[:1], *clauses[-1:]]
    labelled = [after for before, after in pairwise(clauses) if _LABEL_ALONE.fullmatch(before)]
    named = [match[1] for clause in clauses if (match := _ANSWER_IS.fullmatch(clause))]
    return [*(clause for clause in [*alone, *labelled] if clause in _WORDS), *named]


def _perhaps_told(clause: str) -> list[str]:
    """The words of a clause that may be an answer too: its last one, and all of a short one."""
    words = _LETTERS.findall(clause)
    return words if len(words) <= _SHORT else words[-1:]


_SHORT = 2
