"""Main subjects by a list of words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pydantic

from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.grammar import head_word, noun, parse_replacement, pluralize
from datagen.models.language.verdict import Verdict
from datagen.models.main_subjects.base import MainSubjectJudge


class RulesMainSubjectConfig(ModelConfig):
    """Looks up what is replaced in a list of words for people and animals."""

    kind: Literal["rules"] = "rules"
    also: tuple[Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z]+$")], ...] = ()
    """Further words that count, in lower case and in the singular."""

    def load(self, device: str, *, runtime: Runtime) -> MainSubjectJudge:  # noqa: ARG002
        """The judge; it needs no device and no runtime."""
        return RulesMainSubject(self)


WORDS = Path(__file__).parent / "words" / "people_and_animals.txt"
"""Nouns in the singular, one a line; a line that starts with # is a comment."""


class RulesMainSubject:
    """Yes if the noun of the replaced thing is in the list of people and animals; else no, also for unknown nouns."""

    def __init__(self, config: RulesMainSubjectConfig) -> None:
        lines = WORDS.read_text(encoding="utf-8").splitlines()
        words = [line for line in lines if line and not line.startswith("#")] + list(config.also)
        self._words = frozenset([*words, *map(pluralize, words)])

    async def judge(self, text: str, *, record: str) -> Verdict:  # noqa: ARG002
        """See `MainSubjectJudge`."""
        found = parse_replacement(text)
        if found is None:
            return Verdict(answer=False, reason="what is replaced cannot be told by rules")
        head = head_word(noun(found.old).words)
        return Verdict(answer=head in self._words, reason=f"'{head}' is replaced")

    async def close(self) -> None:
        """Nothing to close."""
