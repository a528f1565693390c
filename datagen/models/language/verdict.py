"""`Verdict`, a yes or no with a reason: the answer shape of every judge. Pass it as `shape` to a `LanguageModel`.

The model is asked for JSON, `{"answer": true, "reason": "..."}`. An answer in words ("True.", "**No**, it is cut off.",
"Answer: yes") is parsed too if it has one meaning. Any other answer has the wrong form, and the model is asked to
repair it.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Any, Self

from pydantic import ConfigDict, field_validator

from datagen.models.language.base import TextAnswer

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


class Verdict(TextAnswer):
    """A yes or a no, and why."""

    model_config = ConfigDict(extra="ignore", strict=True)

    answer: bool
    """Whether it is so."""
    reason: str = ""
    """The model's words, unchecked."""

    @field_validator("answer", mode="before")
    @classmethod
    def _from_word(cls, answer: Any) -> Any:
        return read_verdict(answer) if isinstance(answer, str) else answer

    @classmethod
    def from_text(cls, text: str) -> Self:
        """See `TextAnswer`; the whole text is the reason."""
        return cls(answer=read_verdict(text), reason=" ".join(text.split()))


def read_verdict(text: str) -> bool:
    """Parse a yes or no from text, without guessing.

    The answer must stand alone in the first or last clause, or follow "answer:". No other clause may contradict it or
    express doubt. Raises `ValueError` otherwise.
    """
    plain = _MARKS.sub("", unicodedata.normalize("NFKC", text)).casefold()
    clauses = [" ".join(clause.split()) for part in _BREAKS.split(plain) if (clause := _BULLET.sub("", part))]
    clear = {_WORDS[word] for word in _clear_answers(clauses)}
    possible = {_WORDS[word] for clause in clauses for word in _possible_answers(clause) if word in _WORDS}
    if len(clear) != 1 or possible - clear or _UNSURE.search(plain):
        raise ValueError("it is neither a clear yes nor a clear no; the answer has to be true or false")
    return clear.pop()


def _clear_answers(clauses: list[str]) -> list[str]:
    """The words in the places of an answer."""
    alone = [*clauses[:1], *clauses[-1:]]
    labelled = [after for before, after in pairwise(clauses) if _LABEL_ALONE.fullmatch(before)]
    named = [match[1] for clause in clauses if (match := _ANSWER_IS.fullmatch(clause))]
    return [*(clause for clause in [*alone, *labelled] if clause in _WORDS), *named]


def _possible_answers(clause: str) -> list[str]:
    """The words of a clause that may be another answer: its last word, and every word of a short clause."""
    words = _LETTERS.findall(clause)
    return words if len(words) <= _SHORT else words[-1:]


_SHORT = 2
