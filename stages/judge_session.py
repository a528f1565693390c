"""Judge which turns of a session undo, repeat or rely on each other."""

from __future__ import annotations

from datagen import Answer, AsyncMap, Record, StageConfig
from datagen.models.session_judges import SessionJudgeConfig
from datagen.models.session_judges.rules import RulesSessionJudgeConfig


class JudgeSession(AsyncMap):
    """Judge all pairs of a session's turns at once; windows of turns are derived from them later.

    `turn_relations` has a row for each relation that was found: `first` and `second` (the numbers of the earlier and
    the later turn), `kind` and `reason`. The kinds are `undo`, `same_object`, `count_of`, `needs_result`, `order`,
    `dangling`, `standing_order` and `unknown`; `first` is 0 where a turn relies on what no turn of the session names. A
    turn whose instruction was not understood has the relation `unknown` to every other turn.
    """

    reads = ("states", "session_turns")
    writes = ("turn_relations",)
    version = 3
    remote = False

    class Config(StageConfig):
        """Who judges."""

        judge: SessionJudgeConfig = RulesSessionJudgeConfig()
        """The model that judges."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the judge."""
        self.judge = self.config.judge.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Judge one session."""
        found = await self.judge.judge(record["session_turns"], record["states"], record=record.id)
        return {"turn_relations": [relation._asdict() for relation in found]}

    async def close(self) -> None:
        """Let go of what the judge opened, if it was loaded."""
        if hasattr(self, "judge"):
            await self.judge.close()
