"""Subjects that a language model extracts from instructions, verified against the instruction's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints, field_validator

from datagen.core.fields import PLACEHOLDER
from datagen.core.stage import Runtime
from datagen.models.extractors.base import Extracted, SubjectExtractor
from datagen.models.grammar import ADDING_WORDS, is_pronoun
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig


class LanguageExtractorConfig(LanguageRoleConfig):
    """Asks a language model; MIGE asks Qwen2.5-14B-Instruct (appendix B, table 7).

    Whatever it answers, the words around `<imagehere>` have to be those of the instruction.
    """

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"text": "text"}

    prompt: str = "extract_subject"

    def load(self, device: str, *, runtime: Runtime) -> SubjectExtractor:
        """The extractor. Raises `SetupError` if its model cannot be used."""
        return LanguageExtractor(self, self.model.load(device, runtime=runtime))


_ARTICLES = ("a", "an", "the", "some")
_JOINED = re.compile(r"\b(with|by|for|into|to)$", re.IGNORECASE)
_ADDED = re.compile(rf"(?:please,?\s+)?(?:{'|'.join(ADDING_WORDS)})\b", re.IGNORECASE)
_AGAIN = re.compile(r"\bones?\b", re.IGNORECASE)


class ExtractionForm(AnswerForm):
    """What the model has to give (table 7: "Output: a man, replace one woman with <imagehere>")."""

    subject: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    instruction: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]

    @field_validator("instruction")
    @classmethod
    def _one_placeholder(cls, text: str) -> str:
        if text.count(PLACEHOLDER) != 1:
            raise ValueError(f"{PLACEHOLDER} has to be there once, in the place of the subject")
        return text


class LanguageExtractor:
    """Asks a model, and accepts only words that the instruction has."""

    def __init__(self, config: LanguageExtractorConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def extract(self, text: str, *, record: str) -> Extracted | None:
        """See `SubjectExtractor`."""
        reply = await self._model(self._prompt.render({"text": text}), shape=ExtractionForm, draw=Draw(record))
        return verify_extraction(Extracted(*dict(reply.value).values()), text=text)

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()


def verify_extraction(found: Extracted, *, text: str) -> Extracted | None:
    """The answer with the instruction's own letters around the placeholder; None if the answer has other words.

    The placeholder must come after "with" or the like, or directly after an "add" or the like that opens the
    instruction. The words of the subject, without an article, must be among those that the placeholder replaces. If
    these are "a white one" or the like, they must be among the words of the instruction. A pronoun is no subject.
    """
    before, _, after = (re.escape(part.strip().rstrip(".")) for part in found.instruction.partition(PLACEHOLDER))
    spaced = (part.replace(r"\ ", r"\s+") for part in (before, after))
    match = re.fullmatch(r"\s*({})\s+(.+?)(\s*{}[\s.!]*)".format(*spaced), text, re.IGNORECASE | re.DOTALL)
    # not repaired: whatever data makes the model say can only reject the record
    if match is None or not _is_new(match[1]):
        return None
    subject = " ".join(word for word in found.subject.split() if word.lower() not in _ARTICLES)
    own = text if _AGAIN.search(match[2]) else match[2]
    if not subject or is_pronoun(subject) or not _words(subject) <= _words(own):
        return None
    return Extracted(subject, f"{match[1]} {PLACEHOLDER}{match[3]}")


def _is_new(before: str) -> bool:
    """Whether the thing after these words is new in the picture: "the table" in "add a cup to the table" is not."""
    added = _ADDED.match(before)
    return added.end() == len(before) if added else bool(_JOINED.search(before))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold())) or {""}
