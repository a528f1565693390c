"""What a run's ledger says of the turns, sessions and windows of drawn sessions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from datagen.measure.truth import WindowName


class LedgerRow(NamedTuple):
    """How one record ended, with the fields and scores that it had."""

    status: str
    where: str
    """`stage/reason` of a record that was rejected or failed, '' of others."""
    fields: Mapping[str, Any]
    scores: Mapping[str, float]
    key: str = ""
    """Of an accepted one's sample."""


@dataclass
class LedgerView:
    """The ledger rows of one run, by the session and turn numbers in them."""

    turns: dict[tuple[str, int], LedgerRow] = field(default_factory=dict)
    sessions: dict[str, LedgerRow] = field(default_factory=dict)
    """Sessions whose turns were gathered."""
    windows: dict[WindowName, LedgerRow] = field(default_factory=dict)

    def judged(self, session: str) -> list[dict[str, Any]] | None:
        """The relations that the judge found in a session; None if it did not judge it."""
        row = self.sessions.get(session)
        found = row.fields.get("turn_relations") if row else None
        return None if found is None else list(found)

    def seen(self, session: str) -> set[int]:
        """The turns of a session that were gathered, and so judged."""
        return {turn for (name, turn), row in self.turns.items() if name == session and row.status == "combined"}

    def lost_at(self, window: WindowName) -> str:
        """Where a window that gave no sample was lost: a stage and a reason."""
        if row := self.windows.get(window):
            return row.where
        for turn in range(window.first, window.last + 1):
            row = self.turns.get((window.session, turn))
            if row and row.where:
                return row.where
        session = self.sessions.get(window.session)
        return session.where if session and session.where else "merge_turns/not_made"


def view_ledger(rows: Iterable[Mapping[str, Any]]) -> LedgerView:
    """Sort ledger rows into turns (rows of the source), sessions, and windows (which know their first turn)."""
    view = LedgerView()
    for row in rows:
        fields = json.loads(row["fields"])
        where = f"{row['stage']}/{row['reason']}" if row["status"] in ("rejected", "failed") else ""
        found = LedgerRow(row["status"], where, fields, json.loads(row["scores"]), row["key"])
        session = fields.get("session", "")
        if not row["parent"]:
            view.turns[session, fields.get("turn", 0)] = found
        elif "first_turn" in fields:
            first = fields["first_turn"]
            view.windows[WindowName(session, first, first + fields["turn_count"] - 1)] = found
        else:
            view.sessions[session] = found
    return view
