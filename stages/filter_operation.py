"""Keep edits of one kind."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.models.grammar.first_words import first_word

Word = Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]


class FilterOperation(Map):
    """Keep edits of one kind, such as replacements.

    The source's `operation` decides, or the first word of the text if that is empty. MIGE takes only the replacements
    of SEED-Data-Edit (appendix B). Rejects the others as `other_operation`.
    """

    reads = ("text", "operation")
    rejects = ("other_operation",)
    version = 1

    class Config(StageConfig):
        """Which edits are kept."""

        operation: str = Field(default="replace", min_length=1)
        """What the source calls them."""
        verbs: tuple[Word, ...] = Field(default=("replace",), min_length=1)
        """First words of their instructions, in lower case; a `please` in front does not count."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Look at each instruction."""
        return [self._judge(record["operation"], record["text"]) for record in batch]

    def _judge(self, operation: str, text: str) -> Answer:
        if operation:
            same = operation.casefold() == self.config.operation.casefold()
            return {} if same else Reject("other_operation", f"the source calls it '{operation:.100}'")
        first = first_word(text)
        return {} if first in self.config.verbs else Reject("other_operation", f"it begins with '{first:.100}'")
