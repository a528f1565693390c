"""What a worker is trying, told where its death cannot reach.

A file under OUT, which all machines share: where memory runs short Ray ends several workers
at once, and an actor that only remembered would be among them.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import suppress

from datagen.core.errors import StoreError
from datagen.storage.store import Store

JOURNALS = "run/journals"


class Journal:
    """The record that a worker tries, by its stage."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name

    @classmethod
    def new(cls, store: Store) -> Journal:
        """One of its own."""
        return cls(store, f"{JOURNALS}/{uuid.uuid4().hex}.json")

    def note(self, stage: str, id: str) -> None:
        """The record that is tried now. Raises `StoreError` if it cannot be written."""
        self._store.write(self.name, json.dumps([stage, id, time.time()]).encode())

    def last(self) -> tuple[tuple[str, str] | None, float]:
        """The record that was tried last, and how many seconds ago; None if none was."""
        with suppress(StoreError):
            stage, id, at = json.loads(self._store.read(self.name))
            return (stage, id), time.time() - at
        return None, 0.0

    def close(self) -> None:
        """Remove it."""
        self._store.remove(self.name)
