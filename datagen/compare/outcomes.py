"""The outcome of each record of a dataset, as arrays that can be joined with those of another dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.ledger_audit import dropped_tables
from datagen.shards.columns import Digests, digests, found_in
from datagen.shards.index import DatasetInfo, read_dataset
from datagen.storage.store import Store

Codes = NDArray[np.int32]

ACCEPTED, INNER, NOT_MADE, ABSENT = range(4)
"""Codes of outcomes that every comparison has; those of rejections and failures follow."""

_COLUMNS = ("id", "status", "stage", "reason", "content", "instruction", "scores")
_INNER = pa.array(["expanded", "combined"])


@dataclass
class OutcomeNames:
    """The texts of outcome codes, shared by both sides."""

    texts: list[str] = field(default_factory=lambda: ["accepted", "made into others", "not made", "not there"])

    def code(self, text: str) -> int:
        """The code of an outcome text; a new code for a new text."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)


@dataclass
class Side:
    """The records of one dataset, sorted by the digest of their ids: 36 bytes each, and 8 for each score."""

    address: str
    dataset: DatasetInfo
    ledger: Ledger
    ids: Digests
    ends: Codes
    samples: Digests
    """Digests of pictures and instruction of accepted samples, without scores and run."""
    scores: dict[str, NDArray[np.float64]]
    """By name; NaN where a record has none."""

    def end_of(self, ids: Digests) -> Codes:
        """The outcome codes of records; `ABSENT` if there is no such record."""
        places, known = found_in(self.ids, ids)
        return np.where(known, self.ends[places] if len(self.ends) else 0, ABSENT).astype(np.int32)

    def names(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Stream the named columns of the ledger, over all records."""
        return self.ledger.tables(self.ledger.slices(), columns=columns)


def read_side(address: str, *, names: OutcomeNames) -> Side:
    """Read the records of a finished dataset. Raises `StoreError` if there is none, or its ledger is damaged."""
    store = Store(address)
    dataset = read_dataset(store)
    ledger = Ledger(store, dataset.fingerprint)
    dropped = {id: reason for table in dropped_tables(ledger, columns=("id", "reason")) for id, reason in _pairs(table)}
    parts = [_coded(table, names) for table in ledger.tables(ledger.slices(), columns=_COLUMNS)]
    ids = np.concatenate([digests([]), *(part.ids for part in parts)])
    ends = np.concatenate([np.zeros(0, np.int32), *(part.ends for part in parts)])
    order = np.argsort(ids, kind="stable")
    side = Side(
        address=store.address,
        dataset=dataset,
        ledger=ledger,
        ids=ids[order],
        ends=ends[order],
        samples=np.concatenate([digests([]), *(part.samples for part in parts)])[order],
        scores={name: values[order] for name, values in _joined_scores(parts).items()},
    )
    _drop(side, dropped, names)
    return side


def _pairs(table: pa.Table) -> Iterable[tuple[str, str]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


@dataclass
class _Part:
    ids: Digests
    ends: Codes
    samples: Digests
    scores: dict[str, NDArray[np.float64]]


def _coded(table: pa.Table, names: OutcomeNames) -> _Part:
    content = pc.binary_join_element_wise(table["content"], table["instruction"], "|")
    return _Part(digests(table["id"]), _ends(table, names), digests(content), _scores(table["scores"].to_pylist()))


def _ends(table: pa.Table, names: OutcomeNames) -> Codes:
    place = pc.binary_join_element_wise(table["stage"], table["reason"], "/")
    texts = pc.case_when(
        pc.make_struct(
            pc.equal(table["status"], "accepted"),
            pc.is_in(table["status"], value_set=_INNER),
            pc.equal(table["status"], "rejected"),
        ),
        pa.scalar(names.texts[ACCEPTED]),
        pa.scalar(names.texts[INNER]),
        pc.binary_join_element_wise("rejected by", place, " "),
        pc.binary_join_element_wise("failed in", table["stage"], " "),
    )
    encoded = pa.chunked_array([texts] if isinstance(texts, pa.Array) else texts.chunks).combine_chunks()
    encoded = encoded.dictionary_encode()
    codes = np.array([names.code(text) for text in encoded.dictionary.to_pylist()], np.int32)
    return codes[encoded.indices.to_numpy(zero_copy_only=False)] if len(codes) else np.zeros(0, np.int32)


def _scores(texts: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    rows = [json.loads(text) for text in texts]
    found = {name: np.full(len(rows), np.nan) for name in dict.fromkeys(name for row in rows for name in row)}
    for index, row in enumerate(rows):
        for name, value in row.items():
            found[name][index] = value
    return found


def _joined_scores(parts: Sequence[_Part]) -> dict[str, NDArray[np.float64]]:
    names = dict.fromkeys(name for part in parts for name in part.scores)
    return {
        name: np.concatenate([part.scores.get(name, np.full(len(part.ids), np.nan)) for part in parts])
        for name in names
    }


def _drop(side: Side, dropped: dict[str, str], names: OutcomeNames) -> None:
    """Replace the outcomes of the records that packing rejected."""
    if not dropped:
        return
    places, known = found_in(side.ids, digests(dropped))
    codes = np.array([names.code(f"rejected by pack/{reason}") for reason in dropped.values()], np.int32)
    side.ends[places[known]] = codes[known]
