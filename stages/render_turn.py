"""Render one turn of a drawn session."""

from __future__ import annotations

from pydantic import ValidationError

from datagen import Answer, DatagenError, Failed, Map, Record
from datagen.worlds.session import render_session
from datagen.worlds.specification import WorldSpecification


class RenderTurn(Map):
    """Render the pictures before and after a turn of a drawn session, its instruction, and what is true of it.

    Rows come from the source `world`. `source` is the target of the turn before, damage included. No stage reads
    `truth`: it is what answers are measured against. A record fails if a photograph cannot be read.
    """

    reads = ("world", "turn")
    writes = ("source", "target", "text", "truth")
    # No hash of code covers wording/*.toml and photographs.toml of datagen/worlds: raise it when their content changes.
    version = 4

    def process(self, batch: list[Record]) -> list[Answer]:
        """Render each turn; the turns of a session share one render."""
        return [self._rendered(record) for record in batch]

    def _rendered(self, record: Record) -> Answer:
        try:
            turns = render_session(WorldSpecification.model_validate(record["world"]))
        except (DatagenError, ValidationError) as error:
            return Failed(f"session cannot be rendered: {error}")
        if not 1 <= record["turn"] <= len(turns):
            return Failed(f"there is no turn {record['turn']}; the session has {len(turns)}")
        turn = turns[record["turn"] - 1]
        return {"source": turn.source, "target": turn.target, "text": turn.text, "truth": turn.truth}
