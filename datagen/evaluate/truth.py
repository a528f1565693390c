"""The truth of samples that were made from drawn worlds: the scenes before and after their edits.

A run keeps it out of its dataset; it is drawn again from the source's rows, by the config and the ledger in OUT/run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from datagen.core.errors import DatagenError
from datagen.shards.index import read_dataset
from datagen.sources.drawn.world import WorldConfig
from datagen.storage.store import Store
from datagen.worlds.scene import Scene
from datagen.worlds.script import Turn
from datagen.worlds.session import write_session
from datagen.worlds.specification import WorldSpecification

_CONFIG = "run/config.yaml"


@dataclass(frozen=True)
class WindowTruth:
    """What the edits of one sample did."""

    session: str
    before: Scene
    """What the sample's source shows."""
    after: Scene
    """What its target has to show."""
    turns: tuple[Turn, ...]
    """The edits, in their order."""


class WorldTruth:
    """The truth of the samples of one dataset, by key."""

    def __init__(self, sessions: Mapping[str, WorldSpecification], windows: Mapping[str, tuple[str, int, int]]) -> None:
        """`windows` are session, first and last turn (from 1) of each sample."""
        self._sessions, self._windows = sessions, windows

    def find(self, key: str) -> WindowTruth | None:
        """The truth of a sample; None if it is not known: of no session, of one with damage, or not drawable here."""
        if key not in self._windows:
            return None
        name, first, last = self._windows[key]
        specification = self._sessions.get(name)
        if specification is None or specification.damage != "none":
            return None
        try:
            written = write_session(specification)
        except DatagenError:  # a photograph is gone
            return None
        turns = written.turns[first - 1 : last]
        return WindowTruth(name, written.scenes[first - 1], written.scenes[last], turns)


def read_truth(address: str) -> WorldTruth | str:
    """The truth of the dataset at `address`, or why there is none."""
    store = Store(address)
    try:
        if not store.exists(_CONFIG):
            return f"the dataset has no {_CONFIG}, which says how its sources were drawn"
        config = yaml.safe_load(store.read(_CONFIG)) or {}
        source: Any = config.get("source") if isinstance(config, dict) else None
        kind = source.get("kind") if isinstance(source, dict) else None
        if kind != "world":
            return f"its source is of kind '{kind}', not `world`: what its edits did is not known"
        world = WorldConfig.model_validate(source)
        windows = _windows(store)
        wanted = {session for session, *_ in windows.values()}
        sessions = {
            name: WorldSpecification.model_validate(row.fields["world"])
            for row in world.load().rows()
            if (name := str(row.fields["session"])) in wanted and row.fields["turn"] == 1
        }
    except (DatagenError, ValidationError, yaml.YAMLError, RecursionError) as error:
        return f"its run cannot be read: {error}"
    return WorldTruth(sessions, windows)


def _windows(store: Store) -> dict[str, tuple[str, int, int]]:
    """Session, first and last turn of each accepted sample, from the ledger."""
    from datagen.execute.ledger.ledger import Ledger
    from datagen.measure.ledger_view import view_ledger

    ledger = Ledger(store, read_dataset(store).fingerprint)
    columns = ("parent", "status", "stage", "reason", "key", "fields", "scores")
    rows = [row for table in ledger.tables(ledger.slices(), columns=columns) for row in table.to_pylist()]
    view = view_ledger(rows)
    found = {row.key: (name.session, name.first, name.last) for name, row in view.windows.items() if row.key}
    # a pipeline without windows makes a sample of each turn
    found |= {row.key: (session, turn, turn) for (session, turn), row in view.turns.items() if row.key}
    return found
