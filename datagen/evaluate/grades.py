"""The protocols of judges: what a vision-language model is asked of an output, and the scores made of its grades."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from datagen.evaluate.config import ProtocolName
from datagen.models.language.base import AnswerForm, TextAnswer
from datagen.models.language.prompt import Kind

Tens = Annotated[int, Field(ge=0, le=10)]
Fives = Annotated[int, Field(ge=1, le=5)]


class ComplianceGrades(AnswerForm):
    """How well an instruction was followed, and what else changed."""

    reason: str = ""
    compliance: int = Field(ge=1, le=10)
    consistency: Fives


class EditGrades(AnswerForm):
    """How far an edit succeeded, and whether it stayed within bounds."""

    reason: str = ""
    success: Tens
    over_editing: Tens


class QualityGrade(AnswerForm):
    """How well a picture is made."""

    reason: str = ""
    quality: Tens


class ThreeGrades(TextAnswer):
    """Three grades of an edit."""

    model_config = ConfigDict(extra="forbid")

    compliance: Fives
    seamlessness: Fives
    preservation: Fives

    @classmethod
    def from_text(cls, text: str) -> Self:
        """See `TextAnswer`: three lines, each a name and a grade."""
        found: dict[str, int] = {}
        for name, grade in re.findall(
            r"(?im)^\W*(compliance|seamlessness|preservation)\W+(\d+)(?:\s*/\s*5)?\W*$", text
        ):
            if found.setdefault(name.lower(), int(grade)) != int(grade):
                raise ValueError(f"it gives two grades for {name.lower()}")
        if missing := [name for name in cls.model_fields if name not in found]:
            raise ValueError(f"it lacks a line such as `{missing[0].capitalize()}: 3`")
        return cls(**found)


class ComplexGrades(AnswerForm):
    """Grades of an edit that asks for several changes."""

    reason: str = ""
    following: Tens
    identity: Tens
    quality: Tens


class GradeCall(NamedTuple):
    """One question about an output."""

    prompt: str
    shape: type[BaseModel]
    pictures: Literal["both", "after"]
    """Source and output, or the output alone."""


class GradeScore(NamedTuple):
    """One score of a protocol."""

    name: str
    doc: str
    scale: tuple[float, float]
    of: Callable[[Mapping[str, int]], float]
    """From the grades of all questions, by name."""


class GradingProtocol(NamedTuple):
    """What is asked, and what is made of the answers."""

    calls: tuple[GradeCall, ...]
    scores: tuple[GradeScore, ...]
    macro: bool = False
    """Whether its mean is that of the means of groups of edits."""
    slots: Mapping[str, Kind] = {"instruction": "text"}


def _grade(name: str) -> Callable[[Mapping[str, int]], float]:
    return lambda grades: float(grades[name])


def _mean(names: Sequence[str]) -> Callable[[Mapping[str, int]], float]:
    return lambda grades: sum(grades[name] for name in names) / len(names)


def _semantic(grades: Mapping[str, int]) -> float:
    return float(min(grades["success"], grades["over_editing"]))


TEN, FIVE = (0.0, 10.0), (1.0, 5.0)
PROTOCOLS: dict[ProtocolName, GradingProtocol] = {
    "mcie": GradingProtocol(
        (GradeCall("judge_mcie", ComplianceGrades, "both"),),
        (
            GradeScore("IC", "instruction compliance", (1.0, 10.0), _grade("compliance")),
            GradeScore("BC", "background consistency", FIVE, _grade("consistency")),
        ),
    ),
    "gedit": GradingProtocol(
        (
            GradeCall("judge_gedit_edit", EditGrades, "both"),
            GradeCall("judge_gedit_quality", QualityGrade, "after"),
        ),
        (
            GradeScore("SC", "the lower of success and over-editing", TEN, _semantic),
            GradeScore("PQ", "perceptual quality", TEN, _grade("quality")),
            GradeScore("O", "sqrt(SC * PQ)", TEN, lambda grades: math.sqrt(_semantic(grades) * grades["quality"])),
        ),
        macro=True,
    ),
    "imgedit": GradingProtocol(
        (GradeCall("judge_imgedit", ThreeGrades, "both"),),
        (
            *(GradeScore(name, name, FIVE, _grade(name)) for name in ThreeGrades.model_fields),
            GradeScore("mean", "mean of the three grades", FIVE, _mean(list(ThreeGrades.model_fields))),
        ),
        slots={"instruction": "text", "focus": "json"},
    ),
    "complex-edit": GradingProtocol(
        (GradeCall("judge_complex_edit", ComplexGrades, "both"),),
        (
            *(GradeScore(name, name, TEN, _grade(name)) for name in ("following", "identity", "quality")),
            GradeScore("overall", "mean of the three grades", TEN, _mean(("following", "identity", "quality"))),
        ),
    ),
}

_FOCUS: Mapping[str, str] = {
    "add": "the new thing is there once, where it was asked for, and stands or lies on something",
    "remove": "the thing is gone, and what is behind it goes on without a trace of it",
    "replace": "the old thing is gone, and the new one has its place and a fitting size",
    "change": "the thing looks as asked for, and is still the same thing in the same place",
    "move": "the thing is where it was asked to be, and no longer where it was",
    "global": "the whole picture changed as asked for, and what it shows is still there",
}
_ANY_FOCUS = "all that was asked for is there, and nothing else"


def focus_of(group: str) -> str:
    """What matters with edits of an operation."""
    return _FOCUS.get(group, _ANY_FOCUS)


def grades_in(answer: BaseModel) -> dict[str, int]:
    """The grades of an answer, without its reason."""
    found: dict[str, Any] = answer.model_dump(exclude={"reason"})
    return found
