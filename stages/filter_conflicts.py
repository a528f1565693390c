"""Drop windows of turns that cannot be one edit."""

from __future__ import annotations

from typing import get_args

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.models.session_judges.base import KINDS, RelationKind


class FilterConflicts(Map):
    """Drop windows whose turns conflict, each for the kind of its first conflict.

    The reasons are the kinds of conflict: `undo`, `same_object`, `count_of`, `needs_result`, `order`, `dangling`,
    `standing_order` and `unknown`, and the first of this order decides. MCIE names only objects that are modified more
    than once (section 3.1); `kinds` lists what rejects here.
    """

    reads = ("conflicts",)
    rejects = KINDS
    version = 1

    class Config(StageConfig):
        """What rejects."""

        kinds: tuple[RelationKind, ...] = get_args(RelationKind)
        """The kinds of conflict that reject a window; all by default."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Judge each window."""
        return [self._judged(record) for record in batch]

    def _judged(self, record: Record) -> Answer:
        for kind in KINDS:
            found = next((each for each in record["conflicts"] if each["kind"] == kind), None)
            if found and kind in self.config.kinds:
                return Reject(kind, f"turns {found['first']} and {found['second']}: {found['reason']}")
        return {}
