"""Instructions joined as one sentence each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.joiners.base import InstructionJoiner


class SentencesJoinerConfig(ModelConfig):
    """Puts the instructions one after another, each as a sentence: "Add a hat. Remove the dog."."""

    kind: Literal["join"] = "join"

    def load(self, device: str, *, runtime: Runtime) -> InstructionJoiner:  # noqa: ARG002
        """The joiner; it needs no device and no runtime."""
        return SentencesJoiner()


class SentencesJoiner:
    """Changes no word; only the first letter of a sentence and the full stop behind it."""

    async def join(self, texts: Sequence[str], *, record: str) -> str:  # noqa: ARG002
        """See `InstructionJoiner`."""
        return join_sentences(texts)

    async def close(self) -> None:
        """Nothing to close."""


def join_sentences(texts: Sequence[str]) -> str:
    """The texts as sentences, in their order; blank ones are left out."""
    return " ".join(_sentence(words) for text in texts if (words := " ".join(text.split())))


def _sentence(words: str) -> str:
    words = re.sub(r"[\s,;:.]+$", "", words)
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith(('!', '?', '…', '。')) else '.'}"
