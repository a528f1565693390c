"""The end of a slice: its samples become a part, and its ledger entry says so."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from datagen.core.errors import DataError
from datagen.core.fields import Field
from datagen.execute.ledger.ledger import Counts, Ledger, count
from datagen.execute.workers.state import Live, Order, RecordEnd, State
from datagen.shards.sample import SampleSettings, StoredSample, compose
from datagen.shards.writer import Placed, write_part
from datagen.storage.store import Store


class Report(NamedTuple):
    """What the driver is told of a slice that is done."""

    slice: str
    counts: Counts


@dataclass(frozen=True)
class Committer:
    """All that a worker needs to store samples and enter a slice in the ledger."""

    address: str
    settings: SampleSettings

    @property
    def fingerprint(self) -> str:
        """Of the run."""
        return self.settings.run

    @property
    def catalogue(self) -> Mapping[str, Field]:
        """The fields, by name."""
        return self.settings.catalogue

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
        table = state.ended()
        counts = count(table)
        if state.order.is_partial:
            table = pa.concat_tables([_staying(ledger.read(state.slice), state.order), table])
        if not ledger.commit(state.slice, table, round=state.order.round):
            store.remove(part)
            counts = count(ledger.read(state.slice))
        return Report(state.slice, counts)

    def _composed(self, state: State) -> list[tuple[Live, StoredSample]]:
        """A sample of every record that is left; one that cannot be stored fails alone."""
        samples = []
        for live in state.live:
            try:
                sample = compose(live.record, settings=self.settings)
            except DataError as error:
                state.end(live, RecordEnd("failed", "sample", "error", str(error)))
            else:
                samples.append((live, sample))
        return samples

    def _accept(self, state: State, live: Live, sample: StoredSample, place: Placed, part: str) -> None:
        state.end(
            live,
            RecordEnd("accepted"),
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


def _staying(rows: pa.Table, order: Order) -> pa.Table:
    """Rows of an earlier round that the order does not run again."""
    parents = dict(zip(rows["id"].to_pylist(), rows["parent"].to_pylist(), strict=True))
    return rows.filter(pa.array([not _is_again(id, parents, order) for id in parents], pa.bool_()))


def _is_again(id: str, parents: Mapping[str, str], order: Order) -> bool:
    if order.only is not None and id in parents and parents[id]:
        return id in order.only
    while parents.get(id):
        id = parents[id]
    return id in (order.sources or ())


def parts_folder(fingerprint: str) -> str:
    """Where the parts of one run lie."""
    return f"run/parts/{fingerprint}"
