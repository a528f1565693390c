"""Join the instructions of a window's turns into one."""

from __future__ import annotations

import re

from pydantic import field_validator

from datagen import Answer, AsyncMap, Record, Reject
from datagen.core.fields import PLACEHOLDER
from datagen.models.grammar import PictureWords, find_picture_mention, head_word, singularize
from datagen.models.joiners import JoinerConfig
from datagen.models.joiners.sentences import SentencesJoinerConfig


class JoinInstructions(AsyncMap):
    """Write one `instruction` for all turns of a window, with one placeholder for the source picture.

    Words that mention the picture become the placeholder; without such words, `source_phrase` stands before the text.
    Put it behind `filter_conflicts`, so that a language model is asked about accepted windows alone. Rejects as
    `has_placeholder` what holds the placeholder already, and as `left_out` a text that does not name every object.
    """

    reads = ("edits",)
    writes = ("instruction",)
    rejects = ("has_placeholder", "left_out")
    version = 1
    remote = False

    class Config(PictureWords):
        """Who joins, and what stands for the picture."""

        joiner: JoinerConfig = SentencesJoinerConfig()
        """What joins the instructions."""
        source_phrase: str = f"In {PLACEHOLDER}: "
        """What stands before a text that does not mention the picture, with one placeholder."""

        @field_validator("source_phrase")
        @classmethod
        def _has_placeholder(cls, phrase: str) -> str:
            if phrase.count(PLACEHOLDER) != 1:
                raise ValueError(f"it has to have one {PLACEHOLDER}, such as: 'In {PLACEHOLDER}: '")
            return phrase

    config: Config

    def __init__(self, config: Config, *, id: str = "", seed: int = 0) -> None:
        super().__init__(config, id=id, seed=seed)
        self._mention = config.mention_pattern()

    def setup(self, device: str) -> None:
        """Load the joiner."""
        self.joiner = self.config.joiner.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Join the instructions of the record's edits."""
        texts = [edit["instruction"] for edit in record["edits"]]
        if any(PLACEHOLDER in text for text in texts):
            return Reject("has_placeholder", f"an instruction holds {PLACEHOLDER} itself")
        joined = await self.joiner.join(texts, record=record.id)
        names = [edit["object"] for edit in record["edits"] if edit["object"]]
        missing = next((name for name in names if not _is_named(name, joined)), None)
        if PLACEHOLDER in joined:
            return Reject("has_placeholder", f"'{joined:.200}' was joined, and holds {PLACEHOLDER} itself")
        if missing is not None:
            return Reject("left_out", f"'{joined:.200}' does not name '{missing}'")
        return {"instruction": self._with_placeholder(joined)}

    def _with_placeholder(self, text: str) -> str:
        found = find_picture_mention(text, self._mention)
        if found is None:
            return f"{self.config.source_phrase}{text}"
        return f"{text[: found.start()]}{PLACEHOLDER}{text[found.end() :]}"

    async def close(self) -> None:
        """Let go of what the joiner opened, if it was loaded."""
        if hasattr(self, "joiner"):
            await self.joiner.close()


def _is_named(name: str, text: str) -> bool:
    """Whether a text has the noun of a name, in any number."""
    nouns = {singularize(word) for word in re.findall(r"[\w'-]+", text.lower())}
    return singularize(head_word(name)) in nouns
