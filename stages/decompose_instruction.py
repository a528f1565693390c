"""Say what an instruction does, to what, and what it relies on."""

from __future__ import annotations

from typing import Any

from datagen import Answer, AsyncMap, Record, StageConfig
from datagen.models.decomposers import DecomposerConfig
from datagen.models.decomposers.rules import RulesDecomposerConfig
from datagen.models.grammar import EditPart


class DecomposeInstruction(AsyncMap):
    """Decompose an instruction into edits of one thing each.

    `parts` has one row for each edit: "add three apples" has three. Each row has `op` (`add`, `remove`, `replace`,
    `change`, `move`, `global`, `undo` or `unknown`), `object` (the thing's name, '' for a pronoun), `renamed_to` (its
    name after the edit, '' if it stays), `refers_to` (names of other things that the edit relies on, and pronouns),
    `count` (how many such things, 0 for several without a number) and `cues`: `pronoun`, `another`, `one_of`,
    `standing` (an order for later turns) and `geometric` (a global edit that moves what is there).

    `op`, `object`, `renamed_to` and `refers_to` of the record are those of the first part; `refers_to` has all parts'.
    An instruction that is not understood, such as one in another language, is `unknown` and goes on: a judge of
    sessions takes it for one that may conflict with any other.
    """

    reads = ("text",)
    writes = ("op", "object", "renamed_to", "refers_to", "parts")
    version = 3
    remote = False

    class Config(StageConfig):
        """Who decomposes."""

        decomposer: DecomposerConfig = RulesDecomposerConfig()
        """The model that takes the instruction apart."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the decomposer."""
        self.decomposer = self.config.decomposer.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Decompose the record's instruction."""
        return _fields(await self.decomposer.decompose(record["text"], record=record.id))

    async def close(self) -> None:
        """Let go of what the decomposer opened, if it was loaded."""
        if hasattr(self, "decomposer"):
            await self.decomposer.close()


def _fields(parts: list[EditPart]) -> dict[str, Any]:
    first = parts[0]
    refers = dict.fromkeys(name for part in parts for name in part.refers_to)
    return {
        "op": first.op,
        "object": first.object,
        "renamed_to": first.renamed_to,
        "refers_to": list(refers),
        "parts": [_row(part) for part in parts],
    }


def _row(part: EditPart) -> dict[str, Any]:
    return {
        **{"op": part.op, "object": part.object, "renamed_to": part.renamed_to, "refers_to": list(part.refers_to)},
        **{"count": part.number, "cues": list(part.cues)},
    }
