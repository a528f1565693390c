"""Extract the new subject from an instruction, and put a placeholder in its place."""

from __future__ import annotations

import re

from pydantic import field_validator

from datagen import Answer, AsyncMap, Record, Reject
from datagen.core.fields import PLACEHOLDER
from datagen.models.extractors import SubjectExtractorConfig
from datagen.models.extractors.rules import RulesExtractorConfig
from datagen.models.grammar import SENTENCE_END, PictureWords, find_picture_mention, mask_quotes, picture_mentions

_POSITION = re.compile(
    r"\b(?:to|in|on|at)\s+the\s+[\w -]*"
    r"\b(?:middle|cent(?:er|re)|top|bottom|left|right|corner|side|row|edge|half|foreground|background)$",
    re.IGNORECASE,
)
"""Text that ends with a position in the picture, such as `to the top row`."""
_IN = re.compile(r"^in\b", re.IGNORECASE)
_WITHIN = re.compile(r"(?:^|\s+)(?:in|from|of|on|within)\s+$", re.IGNORECASE)
_RESUMED = re.compile(r"\s+(?=(?:with|by|for|into)\s)|\s*,\s*", re.IGNORECASE)


class ExtractSubject(AsyncMap):
    """Extract what an edit puts into the picture, and put `<imagehere>` in its place (MIGE, table 7).

    A second placeholder stands for the picture that is edited. It replaces the words that mention the picture after the
    first placeholder ("add <imagehere> to the image"). Without such words it is added at the end of that sentence, as
    MIGE adds it to instructions for local edits (appendix B): "replace the bird with <imagehere> in <imagehere>"; what
    follows the sentence stays ("Make it orange."). After a position it is added with "of" (table 5): "add <imagehere>
    to the middle of <imagehere>". An "in the image" before the first placeholder is removed, because the second one
    says it. Rejects an instruction as `unclear` if it has no single new subject; a pronoun ("put him on the moon") is
    none.
    """

    reads = ("text",)
    writes = ("subject", "instruction")
    rejects = ("unclear",)
    version = 4
    remote = False

    class Config(PictureWords):
        """Who reads the instruction, and what it may call the picture."""

        extractor: SubjectExtractorConfig = RulesExtractorConfig()
        """The model that takes it apart."""
        source_phrase: str = f"in {PLACEHOLDER}"
        """What is added for the picture that is edited where nothing speaks of it, with one placeholder.
        Its "in" becomes "of" after a position."""

        @field_validator("source_phrase")
        @classmethod
        def _has_one(cls, phrase: str) -> str:
            if phrase.count(PLACEHOLDER) != 1:
                raise ValueError(f"it has to have one {PLACEHOLDER}, such as: in {PLACEHOLDER}")
            return phrase.strip()

    config: Config

    def __init__(self, config: Config, *, id: str = "", seed: int = 0) -> None:
        super().__init__(config, id=id, seed=seed)
        self._mention = config.mention_pattern()

    def setup(self, device: str) -> None:
        """Load the extractor."""
        self.extractor = self.config.extractor.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Take the record's instruction apart."""
        found = await self.extractor.extract(record["text"], record=record.id)
        if found is None:
            return Reject("unclear", f"no single new subject can be told from '{record['text']:.200}'")
        return {"subject": found.subject, "instruction": self._with_source(found.instruction)}

    def _with_source(self, instruction: str) -> str:
        """Add the placeholder for the source, after the one for the subject."""
        instruction = self._without_mention(instruction)
        after = instruction.index(PLACEHOLDER) + len(PLACEHOLDER)
        said = find_picture_mention(instruction, self._mention, start=after)
        if said:
            return f"{instruction[: said.start()]}{PLACEHOLDER}{instruction[said.end() :]}"
        words, stop = _split_stop(instruction, after=after)
        is_position = _POSITION.search(words, after)
        phrase = _IN.sub("of", self.config.source_phrase) if is_position else self.config.source_phrase
        return f"{words} {phrase}{stop}"

    def _without_mention(self, instruction: str) -> str:
        """Remove an "in the image" before the subject, because the placeholder for the source says the same."""
        for found in picture_mentions(instruction, self._mention):
            before, rest = _WITHIN.search(instruction[: found.start()]), _RESUMED.match(instruction, found.end())
            if before and rest and found.end() < instruction.index(PLACEHOLDER):
                tail = instruction[rest.end() :]
                if before.start():
                    return f"{instruction[: before.start()]} {tail}"
                return f"{tail[0].upper() if before[0][0].isupper() else tail[0]}{tail[1:]}"
        return instruction

    async def close(self) -> None:
        """Let go of what the extractor opened, if it was loaded."""
        if hasattr(self, "extractor"):
            await self.extractor.close()


def _split_stop(instruction: str, *, after: int) -> tuple[str, str]:
    """The instruction up to the end of the sentence that has the character `after`, and the rest with its full stop."""
    end = SENTENCE_END.search(mask_quotes(instruction), after)
    words = instruction[: end.start()] if end else re.sub(r"[\s.!]+$", "", instruction)
    return words, instruction[len(words) :].strip() if end is None else instruction[len(words) :]
