"""Commits a slice: stores its accepted samples as a part, then creates its ledger entry.

The entry is written last and can be created only once. So a slice is either committed as a whole or not at all, and if
two workers compute the same slice, the first one counts.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from datagen.core.error_text import describe_error
from datagen.core.fields import Field
from datagen.execute.ledger.ledger import Counts, Ledger, count
from datagen.execute.workers.state import LiveRecord, RecordEnd, SliceOrder, SliceState
from datagen.shards.sample import SampleSettings, StoredSample, compose
from datagen.shards.writer import Placed, write_part
from datagen.storage.store import Store


class CommitReport(NamedTuple):
    """The result of a commit: the slice's name, and how its records ended."""

    slice: str
    counts: Counts


@dataclass(frozen=True)
class Committer:
    """Commits slices of one run into the OUT at `address`. It can be pickled: workers of the last operator get it."""

    address: str
    settings: SampleSettings
    writer: str = ""
    """Token of the run's lock: when another run has taken it over, nothing is committed any more."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the run."""
        return self.settings.run

    @property
    def catalogue(self) -> Mapping[str, Field]:
        """Fields by name."""
        return self.settings.catalogue

    def commit(self, state: SliceState) -> CommitReport:
        """Write the part, then the ledger entry. Ends the slice's remaining records in `state`.

        If another worker committed the slice first, that one counts: this part is removed, and the report is of the
        entry that is there. Raises `StoreError`.
        """
        store = Store(self.address, writer=self.writer)
        ledger = Ledger(store, self.fingerprint)
        # The name differs for each attempt: a worker that was given up may still write, and must not replace this part.
        part = f"{parts_folder(self.fingerprint)}/{state.slice}-{uuid.uuid4().hex[:8]}.tar"
        samples = self._compose_samples(state)
        if samples:
            with store.writing(part) as file:
                placed = write_part(file, [sample for _, sample in samples])
            for (live, sample), place in zip(samples, placed, strict=True):
                self._accept(state, live, sample, place, part)
        table = state.ended()
        counts = count(table)
        if state.order.is_partial:
            table = pa.concat_tables([_unchanged_rows(ledger.read(state.slice), state.order), table])
        if not ledger.commit(state.slice, table, round=state.order.round):
            store.remove(part)
            counts = count(ledger.read(state.slice))
        return CommitReport(state.slice, counts)

    def _compose_samples(self, state: SliceState) -> list[tuple[LiveRecord, StoredSample]]:
        """Compose the sample of each remaining record; a record whose sample cannot be stored fails alone."""
        samples = []
        for live in state.live:
            try:
                sample = compose(live.record, settings=self.settings)
            except Exception as error:  # fields may hold anything that JSON can
                state.end(live, RecordEnd("failed", "sample", "error", describe_error(error)))
            else:
                # It is in the members already: held for all siblings, what they list would take gigabytes.
                slim = sample.info.model_copy(update={"instances": [], "relations": []})
                samples.append((live, sample._replace(info=slim)))
        return samples

    def _accept(self, state: SliceState, live: LiveRecord, sample: StoredSample, place: Placed, part: str) -> None:
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


def _unchanged_rows(rows: pa.Table, order: SliceOrder) -> pa.Table:
    """Rows of the slice's earlier round that the order does not run again."""
    parents = dict(zip(rows["id"].to_pylist(), rows["parent"].to_pylist(), strict=True))
    return rows.filter(pa.array([not _is_rerun(id, parents, order) for id in parents], pa.bool_()))


def _is_rerun(id: str, parents: Mapping[str, str], order: SliceOrder) -> bool:
    if order.only is not None and id in parents and parents[id]:
        return id in order.only
    while parents.get(id):
        id = parents[id]
    return id in (order.sources or ())


def parts_folder(fingerprint: str) -> str:
    """Folder of the parts of the run with this fingerprint, relative to OUT."""
    return f"run/parts/{fingerprint}"
