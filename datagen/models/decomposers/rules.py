"""Instructions decomposed by rules of English grammar."""

from __future__ import annotations

from typing import Literal

from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.decomposers.base import InstructionDecomposer
from datagen.models.grammar import EditPart, decompose_edit


class RulesDecomposerConfig(ModelConfig):
    """Reads English instructions by their verbs and nouns; another language is `unknown`."""

    kind: Literal["rules"] = "rules"

    def load(self, device: str, *, runtime: Runtime) -> InstructionDecomposer:  # noqa: ARG002
        """The decomposer; it needs no device and no runtime."""
        return RulesDecomposer()


class RulesDecomposer:
    """Parses the instruction; see `datagen.models.grammar.decompose_edit`."""

    async def decompose(self, text: str, *, record: str) -> list[EditPart]:  # noqa: ARG002
        """See `InstructionDecomposer`."""
        return decompose_edit(text)

    async def close(self) -> None:
        """Nothing to close."""
