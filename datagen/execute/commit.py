"""The end of a slice: its samples become a part, and its ledger entry says so."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from datagen.errors import DataError
from datagen.execute.ledger import Counts, Ledger, Row, count, to_table
from datagen.execute.state import Live, State
from datagen.fields import Field
from datagen.shards.options import ImageOptions
from datagen.shards.sample import StoredSample, compose
from datagen.shards.writer import Placed, write_part
from datagen.store import Store


class Report(NamedTuple):
    """What the driver is told of a slice that is done."""

    slice: str
    counts: Counts
    seconds: Mapping[str, float]
    """By stage, summed over the slice's records."""


@dataclass(frozen=True)
class Committer:
    """All that a worker needs to store samples and enter a slice in the ledger."""

    address: str
    fingerprint: str
    seed: int
    catalogue: Mapping[str, Field]
    score_writers: Mapping[str, str]
    unchecked: tuple[str, ...]
    images: ImageOptions

    def commit(self, state: State) -> Report:
        """Write the part, then the ledger entry. If another worker entered the slice first, that one counts."""
        store = Store(self.address)
        ledger = Ledger(store, self.fingerprint)
        part = f"{parts_folder(self.fingerprint)}/{state.slice}-{uuid.uuid4().hex[:8]}.tar"
        samples = self._composed(state)
        if samples:
            with store.writing(part) as file:
                placed = write_part(file, [sample for _, sample in samples])
            for (live, sample), place in zip(samples, placed, strict=True):
                self._accept(state, live, sample, place, part)
        table = to_table(state.rows)
        if not ledger.commit(state.slice, table):
            store.remove(part)
            table = ledger.read(state.slice)
        return Report(state.slice, count(table), seconds_by_stage(state.rows))

    def _composed(self, state: State) -> list[tuple[Live, StoredSample]]:
        """A sample of every record that is left; one that cannot be stored fails alone."""
        samples = []
        for live in state.live:
            try:
                sample = compose(
                    live.record,
                    catalogue=self.catalogue,
                    scored_by=self.score_writers,
                    unchecked=self.unchecked,
                    run=self.fingerprint,
                    seed=self.seed,
                    images=self.images,
                )
            except DataError as error:
                state.end(live, "failed", "sample", reason="error", detail=str(error))
            else:
                samples.append((live, sample))
        return samples

    def _accept(self, state: State, live: Live, sample: StoredSample, place: Placed, part: str) -> None:
        state.end(
            live,
            "accepted",
            "",
            key=sample.key,
            part=part,
            offset=place.offset,
            size=place.size,
            members=json.dumps({name: list(span) for name, span in place.members.items()}),
            content=sample.content,
            sha256=place.sha256,
            task=sample.info.task,
            instruction=sample.info.instruction,
            license=sample.info.license,
        )


def parts_folder(fingerprint: str) -> str:
    """Where the parts of one run lie."""
    return f"run/parts/{fingerprint}"


def seconds_by_stage(rows: list[Row]) -> dict[str, float]:
    """Time in each stage, summed over rows."""
    total: dict[str, float] = {}
    for row in rows:
        for stage, seconds in json.loads(row.seconds).items():
            total[stage] = total.get(stage, 0.0) + seconds
    return total
