"""Who says whether an edit is about a picture's main subject: an instruction in, a verdict out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol

import pydantic

from datagen.core.stage import Lent
from datagen.models.base import ModelConfig
from datagen.models.language.asking import AskingConfig
from datagen.models.language.prompt import Kind

if TYPE_CHECKING:
    from datagen.models.language.verdict import Verdict


class MainSubjectJudge(Protocol):
    """Says whether an edit is about the main subject, which in MIGE is a person or an animal (table 6)."""

    async def judge(self, text: str, *, record: str) -> Verdict:
        """The verdict on a record's instruction.

        Raises `DataError` where there is none; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...


class RulesMainSubjectConfig(ModelConfig):
    """Looks up what is replaced in a list of words for people and animals."""

    kind: Literal["rules"] = "rules"
    also: tuple[Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z]+$")], ...] = ()
    """Further words that count, in lower case and in the singular."""

    def load(self, device: str, *, lent: Lent) -> MainSubjectJudge:  # noqa: ARG002
        """The judge; it needs no device, and nothing of the run."""
        from datagen.models.main_subjects.rules import RulesMainSubject

        return RulesMainSubject(self)


class LanguageMainSubjectConfig(AskingConfig):
    """Asks a language model; MIGE asks Qwen2.5-14B-Instruct (appendix B, table 6)."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"text": "text"}

    prompt: str = "check_main_subject"

    def load(self, device: str, *, lent: Lent) -> MainSubjectJudge:
        """The judge. Raises `SetupError` if its model cannot be used."""
        from datagen.models.main_subjects.language import LanguageMainSubject

        return LanguageMainSubject(self, self.model.load(device, lent=lent))


MainSubjectJudgeConfig = Annotated[
    RulesMainSubjectConfig | LanguageMainSubjectConfig, pydantic.Field(discriminator="kind")
]
"""Every kind of judge, told apart by `kind`."""
