"""The crash journal: the record that a worker tries now, stored where the worker's death cannot reach.

It is a file under OUT, which all machines share, not an actor: if memory runs short, Ray ends several workers at once,
and a journal actor was among them.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import suppress

from datagen.core.errors import StoreError
from datagen.storage.store import Store

JOURNALS = "run/journals"


class CrashJournal:
    """The journal of one slice; it holds the stage and id of the record that was tried last."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name

    @classmethod
    def new(cls, store: Store) -> CrashJournal:
        """A journal with a new name."""
        return cls(store, f"{JOURNALS}/{uuid.uuid4().hex}.json")

    def note(self, stage: str, id: str) -> None:
        """Write that `stage` tries the record `id` now. Raises `StoreError`."""
        self._store.write(self.name, json.dumps([stage, id, time.time()]).encode())

    def last(self) -> tuple[tuple[str, str] | None, float]:
        """Stage and id of the record that was tried last, and how many seconds ago; None and 0 if there is none."""
        with suppress(StoreError):  # no file: the worker died before it tried a record
            stage, id, at = json.loads(self._store.read(self.name))
            return (stage, id), time.time() - at
        return None, 0.0

    def close(self) -> None:
        """Remove the file."""
        self._store.remove(self.name)
