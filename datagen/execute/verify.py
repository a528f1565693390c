"""Proves that a dataset is whole, and that its ledger accounts for every record."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.errors import StoreError
from datagen.execute.ledger import DROPPED, Ledger, count, dropped_faults, joined, ledger_faults
from datagen.shards.index import INDEX, DatasetInfo, read_dataset
from datagen.shards.verify import Problem, verify_dataset
from datagen.store import Store

_RECOMPUTE = "run the pipeline into it again, which computes the slice anew"


def verify(address: str) -> list[Problem]:
    """Everything that is wrong under OUT: shards, index, ledger, and whether they agree."""
    store = Store(address)
    dataset = read_dataset(store)
    problems = verify_dataset(store)
    ledger = Ledger(store, dataset.fingerprint)
    try:
        cut = ledger.slices()
        ended = joined(ledger.tables(cut))
        faults = ledger_faults(ledger, cut=cut)
        dropped = ledger.read_dropped()
    except StoreError as error:
        return [*problems, Problem(ledger.folder, "", str(error), remedy="")]
    problems += [Problem(ledger.folder, "", fault, _RECOMPUTE) for fault in faults]
    problems += [Problem(f"{ledger.folder}/{DROPPED}", "", fault) for fault in dropped_faults(ended, dropped)]
    rows = _with_dropped(ended, dropped)
    problems += _total_problems(dataset, rows, sources=sum(cut.values()))
    problems += _key_problems(store, rows)
    return problems


def final_rows(ledger: Ledger) -> pa.Table:
    """One row a record, those that packing rejected in their final state."""
    return _with_dropped(joined(ledger.tables(ledger.slices())), ledger.read_dropped())


def _with_dropped(rows: pa.Table, dropped: pa.Table) -> pa.Table:
    still = rows.filter(pc.invert(pc.is_in(rows["id"], value_set=dropped["id"].combine_chunks())))
    return pa.concat_tables([still, dropped])


def find_rows(address: str, name: str) -> list[dict[str, Any]]:
    """The ledger rows of a key or id, and of all it descends from, the oldest first.

    A rejected record is found by its id, also as a key would spell it (`coffee__1` for
    `coffee#1`). Raises `StoreError` if the name is empty.
    """
    if not name:
        raise StoreError("a record is shown by its key or its id; none was given")
    store = Store(address)
    rows = final_rows(Ledger(store, read_dataset(store).fingerprint))
    found: list[dict[str, Any]] = []
    ids = pa.array([name, name.replace("__", "#").replace("--", "+")])
    wanted = rows.filter(pc.or_(pc.equal(rows["key"], name), pc.is_in(rows["id"], value_set=ids))).to_pylist()
    while wanted:
        found.insert(0, wanted[0])
        wanted = rows.filter(pc.equal(rows["id"], wanted[0]["parent"])).to_pylist()
    return found


def _total_problems(dataset: DatasetInfo, rows: pa.Table, *, sources: int) -> Iterator[Problem]:
    counts = count(rows)
    totals = dataset.totals
    told = (totals.sources, totals.records, totals.accepted, dict(totals.rejected), totals.failed)
    has = (sources, counts.records, counts.accepted, counts.rejected, counts.failed)
    names = ("sources", "records", "accepted", "rejected", "failed")
    for name, one, other in zip(names, told, has, strict=True):
        if one != other:
            yield Problem("dataset.json", "", f"totals.{name} is {one}, the ledger has {other}")


def _key_problems(store: Store, rows: pa.Table) -> Iterator[Problem]:
    try:
        index = set(pq.read_table(io.BytesIO(store.read(INDEX)), columns=["key"])["key"].to_pylist())
    except (StoreError, pa.ArrowException, OSError, KeyError):
        return  # the dataset's own checks have named it
    accepted = set(rows["key"].filter(pc.equal(rows["status"], "accepted")).to_pylist())
    for key in sorted(accepted - index)[:10]:
        yield Problem(INDEX, key, "accepted in the ledger, but not in the index")
    for key in sorted(index - accepted)[:10]:
        yield Problem(INDEX, key, "in the index, but not accepted in the ledger")
