"""`verify`: checks that a dataset is complete and undamaged, and that its ledger accounts for every record.

Ids and keys of ledger and index are compared by digests, so that memory stays at some 50 bytes a record.
"""

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
    """All problems under OUT: of shards, index, card, ledger and parts, and where these contradict each other.

    Uses some 50 bytes of memory a record, and that of one sample.
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
    dropped_ids = _sorted_digests(digests(table["id"]) for table in dropped_tables(ledger, columns=("id",)))
    yield from _dropped_problems(ledger, cut, dropped_ids)
    yield from _key_problems(ledger, cut, dropped_ids)
    yield from part_problems(ledger, cut)


def _sorted_digests(parts: Iterable[Digests]) -> Digests:
    return np.sort(np.concatenate([digests([]), *parts]))


def _total_problems(dataset: DatasetInfo, found: LedgerAudit, dropped: Counts, *, sources: int) -> Iterator[Problem]:
    counts, totals = found.counts, dataset.totals
    rejected = {**counts.rejected}
    for reason, number in dropped.rejected.items():
        rejected[reason] = rejected.get(reason, 0) + number
    listed = (totals.sources, totals.records, totals.accepted, dict(totals.rejected), totals.failed)
    has = (sources, counts.records, counts.accepted - dropped.records, rejected, counts.failed)
    names = ("sources", "records", "accepted", "rejected", "failed")
    for name, one, other in zip(names, listed, has, strict=True):
        if one != other:
            yield Problem("dataset.json", "", f"totals.{name} is {one}, the ledger has {other}", _AGAIN)


def _dropped_problems(ledger: Ledger, cut: Mapping[str, int], dropped_ids: Digests) -> Iterator[Problem]:
    """Records that packing dropped although they were not accepted before."""
    accepted_before = np.zeros(len(dropped_ids), np.bool_)
    for table in accepted_tables(ledger, cut, columns=("id",)) if len(dropped_ids) else ():
        places, known = found_in(dropped_ids, digests(table["id"]))
        accepted_before[places[known]] = True
    unknown = _values_of(dropped_ids[~accepted_before], lambda: dropped_tables(ledger, columns=("id",)), column="id")
    for id in unknown[:3]:
        fault = f"record '{id}' was dropped by packing, but was not accepted before"
        yield Problem(f"{ledger.folder}/{DROPPED}", "", fault, _AGAIN)


def _key_problems(ledger: Ledger, cut: Mapping[str, int], dropped_ids: Digests) -> Iterator[Problem]:
    """Samples that only the index or only the ledger has."""

    def of_ledger() -> Iterator[pa.Table]:
        for table in accepted_tables(ledger, cut, columns=("id", "key")):
            _, known = found_in(dropped_ids, digests(table["id"]))
            yield table.filter(pa.array(~known))

    try:
        with opened_index(ledger.store) as index:
            indexed = _sorted_digests(digests(table["key"]) for table in index.tables(["key"]))
            entered = _sorted_digests(digests(table["key"]) for table in of_ledger())
            for key in _values_of(np.setdiff1d(entered, indexed), of_ledger, column="key"):
                yield Problem(INDEX, key, "accepted in the ledger, but not in the index", _AGAIN)
            for key in _values_of(np.setdiff1d(indexed, entered), lambda: index.tables(["key"]), column="key"):
                yield Problem(INDEX, key, "in the index, but not accepted in the ledger", _AGAIN)
    except DamagedIndexError:
        return  # the dataset's own checks have named it


def _values_of(wanted: Digests, stream: Stream, *, column: str) -> list[str]:
    """Some of the values of `column` whose digests are in `wanted`, sorted; reads the rows once more."""
    names: list[str] = []
    for table in stream() if len(wanted) else ():
        _, known = found_in(np.sort(wanted), digests(table[column]))
        names += table[column].filter(pa.array(known)).to_pylist()
        if len(names) >= _SHOWN:
            break
    return sorted(names)[:_SHOWN]


def _with_final_rows(rows: pa.Table, dropped: pa.Table) -> pa.Table:
    still = rows.filter(pc.invert(pc.is_in(rows["id"], value_set=dropped["id"].combine_chunks())))
    return pa.concat_tables([still, dropped])


def find_rows(address: str, name: str) -> list[dict[str, Any]]:
    """The ledger rows of the record with a key or id, and of all its ancestors, oldest first.

    `name` may also be the id in the spelling of a key (`coffee__1` for `coffee#1`), as rejected records have no key.
    Returns [] if there is no such record. Raises `StoreError` if the name is empty or the rows are damaged.
    """
    if not name:
        raise StoreError("a record is shown by its key or its id; none was given")
    name = name.encode("utf-8", "backslashreplace").decode()  # as the ledger has the name of a file that is no UTF-8
    store = Store(address)
    ledger = Ledger(store, read_dataset(store).fingerprint)
    ids = pa.array([name, name.replace("__", "#").replace("--", "+")])
    rows = _final_rows(ledger, name, ids)
    found: list[dict[str, Any]] = []
    wanted = rows.filter(pc.or_(pc.equal(rows["key"], name), pc.is_in(rows["id"], value_set=ids))).to_pylist()
    while wanted:
        if any(row["id"] == wanted[0]["id"] for row in found):
            raise StoreError(f"{ledger.folder} is damaged: '{wanted[0]['id']}' descends from itself; {_RECOMPUTE}")
        if invalid := _invalid_columns(wanted[0]):
            fault = f"{', '.join(invalid)} of '{wanted[0]['id']}' cannot be read"
            raise StoreError(f"{ledger.folder} is damaged: {fault}; {_RECOMPUTE}")
        found.insert(0, wanted[0])
        wanted = rows.filter(pc.equal(rows["id"], wanted[0]["parent"])).to_pylist()
    return found


def _invalid_columns(row: Mapping[str, Any]) -> list[str]:
    """Columns of a row that do not have valid JSON of the expected form."""
    return [name for name, kind in _JSON_COLUMNS.items() if not _is_json_of(row[name], kind)]


_JSON_COLUMNS: Mapping[str, type | tuple[type, ...]] = {
    "seconds": (int, float),
    "scores": (int, float),
    "fields": object,
    "members": list,
}


def _is_json_of(text: str, kind: type | tuple[type, ...]) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and all(isinstance(value, kind) for value in found.values())


def _final_rows(ledger: Ledger, name: str, ids: pa.Array) -> pa.Table:
    """All rows of the slice with this key or one of these ids, after packing; empty if there is no such slice."""
    for table in ledger.tables(ledger.slices(), columns=("slice", "id", "key")):
        at = pc.index(pc.or_(pc.equal(table["key"], name), pc.is_in(table["id"], value_set=ids)), True).as_py()
        if at >= 0:
            rows = joined([ledger.read(table["slice"][at].as_py())])
            own = rows["id"].combine_chunks()
            dropped = dropped_tables(ledger, columns=SCHEMA.names)
            return _with_final_rows(
                rows, joined(table.filter(pc.is_in(table["id"], value_set=own)) for table in dropped)
            )
    return joined([])
