"""Proves that a dataset is whole, and that its ledger accounts for every record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.core.errors import StoreError
from datagen.execute.ledger.ledger import DROPPED, SCHEMA, Counts, Ledger, count, joined
from datagen.execute.ledger.ledger_audit import LedgerAudit, accepted_tables, audit_ledger, dropped_tables
from datagen.execute.maintain.part_audit import part_problems
from datagen.shards.columns import Digests, digests, found_in
from datagen.shards.index import INDEX, DatasetInfo, read_dataset
from datagen.shards.table import DamagedIndexError, opened_index
from datagen.shards.verify import Problem, verify_dataset
from datagen.storage.store import Store

_RECOMPUTE = "run the pipeline into it again, which computes the slice anew"
_AGAIN = "run the pipeline into it again, which writes it anew"
_SHOWN = 10

Stream = Callable[[], Iterable[pa.Table]]


def verify(address: str) -> list[Problem]:
    """Everything that is wrong under OUT: shards, index, card, ledger, parts, and whether they agree.

    Holds some 50 bytes for each record, and one sample.
    """
    store = Store(address)
    dataset = read_dataset(store)
    problems = verify_dataset(store)
    ledger = Ledger(store, dataset.fingerprint)
    try:
        return problems + list(_ledger_problems(ledger, dataset))
    except StoreError as error:
        return [*problems, Problem(ledger.folder, "", str(error), remedy="")]


def _ledger_problems(ledger: Ledger, dataset: DatasetInfo) -> Iterator[Problem]:
    cut = ledger.slices()
    dropped = Counts()
    for table in dropped_tables(ledger, columns=("stage", "reason", "status", "children")):
        dropped.add(count(table))
    found = audit_ledger(ledger, cut)
    yield from (Problem(ledger.folder, "", fault, _RECOMPUTE) for fault in found.faults)
    yield from _total_problems(dataset, found, dropped, sources=sum(cut.values()))
    gone = _joined(digests(table["id"]) for table in dropped_tables(ledger, columns=("id",)))
    yield from _dropped_problems(ledger, cut, gone)
    yield from _key_problems(ledger, cut, gone)
    yield from part_problems(ledger, cut)


def _joined(parts: Iterable[Digests]) -> Digests:
    return np.sort(np.concatenate([digests([]), *parts]))


def _total_problems(dataset: DatasetInfo, found: LedgerAudit, dropped: Counts, *, sources: int) -> Iterator[Problem]:
    counts, totals = found.counts, dataset.totals
    rejected = {**counts.rejected}
    for reason, number in dropped.rejected.items():
        rejected[reason] = rejected.get(reason, 0) + number
    told = (totals.sources, totals.records, totals.accepted, dict(totals.rejected), totals.failed)
    has = (sources, counts.records, counts.accepted - dropped.records, rejected, counts.failed)
    names = ("sources", "records", "accepted", "rejected", "failed")
    for name, one, other in zip(names, told, has, strict=True):
        if one != other:
            yield Problem("dataset.json", "", f"totals.{name} is {one}, the ledger has {other}", _AGAIN)


def _dropped_problems(ledger: Ledger, cut: Mapping[str, int], gone: Digests) -> Iterator[Problem]:
    """What packing dropped without having been given it."""
    given = np.zeros(len(gone), np.bool_)
    for table in accepted_tables(ledger, cut, columns=("id",)) if len(gone) else ():
        places, known = found_in(gone, digests(table["id"]))
        given[places[known]] = True
    for id in _named(gone[~given], lambda: dropped_tables(ledger, columns=("id",)), column="id")[:3]:
        fault = f"record '{id}' was dropped by packing, but was not accepted before"
        yield Problem(f"{ledger.folder}/{DROPPED}", "", fault, _AGAIN)


def _key_problems(ledger: Ledger, cut: Mapping[str, int], gone: Digests) -> Iterator[Problem]:
    """Where index and ledger speak of different samples."""

    def of_ledger() -> Iterator[pa.Table]:
        for table in accepted_tables(ledger, cut, columns=("id", "key")):
            _, known = found_in(gone, digests(table["id"]))
            yield table.filter(pa.array(~known))

    try:
        with opened_index(ledger.store) as index:
            indexed = _joined(digests(table["key"]) for table in index.tables(["key"]))
            entered = _joined(digests(table["key"]) for table in of_ledger())
            for key in _named(np.setdiff1d(entered, indexed), of_ledger, column="key"):
                yield Problem(INDEX, key, "accepted in the ledger, but not in the index", _AGAIN)
            for key in _named(np.setdiff1d(indexed, entered), lambda: index.tables(["key"]), column="key"):
                yield Problem(INDEX, key, "in the index, but not accepted in the ledger", _AGAIN)
    except DamagedIndexError:
        return  # the dataset's own checks have named it


def _named(wanted: Digests, stream: Stream, *, column: str) -> list[str]:
    """Some of the values that have these hashes, sorted."""
    names: list[str] = []
    for table in stream() if len(wanted) else ():
        _, known = found_in(np.sort(wanted), digests(table[column]))
        names += table[column].filter(pa.array(known)).to_pylist()
        if len(names) >= _SHOWN:
            break
    return sorted(names)[:_SHOWN]


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
    ledger = Ledger(store, read_dataset(store).fingerprint)
    ids = pa.array([name, name.replace("__", "#").replace("--", "+")])
    rows = _slice_of(ledger, name, ids)
    found: list[dict[str, Any]] = []
    wanted = rows.filter(pc.or_(pc.equal(rows["key"], name), pc.is_in(rows["id"], value_set=ids))).to_pylist()
    while wanted:
        if any(row["id"] == wanted[0]["id"] for row in found):
            raise StoreError(f"{ledger.folder} is damaged: '{wanted[0]['id']}' descends from itself; {_RECOMPUTE}")
        if odd := _no_json(wanted[0]):
            fault = f"{', '.join(odd)} of '{wanted[0]['id']}' cannot be read"
            raise StoreError(f"{ledger.folder} is damaged: {fault}; {_RECOMPUTE}")
        found.insert(0, wanted[0])
        wanted = rows.filter(pc.equal(rows["id"], wanted[0]["parent"])).to_pylist()
    return found


def _no_json(row: Mapping[str, Any]) -> list[str]:
    """Columns that should hold JSON, and do not hold what they should."""
    return [name for name, kind in _PARSED.items() if not _holds(row[name], kind)]


_PARSED: Mapping[str, type | tuple[type, ...]] = {
    "seconds": (int, float),
    "scores": (int, float),
    "fields": object,
    "members": list,
}


def _holds(text: str, kind: type | tuple[type, ...]) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and all(isinstance(value, kind) for value in found.values())


def _slice_of(ledger: Ledger, name: str, ids: pa.Array) -> pa.Table:
    """The final rows of the slice that has this key or one of these ids; none if there is no such slice."""
    for table in ledger.tables(ledger.slices(), columns=("slice", "id", "key")):
        at = pc.index(pc.or_(pc.equal(table["key"], name), pc.is_in(table["id"], value_set=ids)), True).as_py()
        if at >= 0:
            rows = joined([ledger.read(table["slice"][at].as_py())])
            own = rows["id"].combine_chunks()
            dropped = dropped_tables(ledger, columns=SCHEMA.names)
            return _with_dropped(rows, joined(_within(table, own) for table in dropped))
    return joined([])


def _within(table: pa.Table, ids: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table["id"], value_set=ids))
