"""Compares the outcomes of the same records in two datasets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datagen.compare.config import Setting, settings
from datagen.compare.outcomes import ABSENT, ACCEPTED, INNER, NOT_MADE, Codes, OutcomeNames, Side, read_side
from datagen.shards.columns import Digests, Flags, digests, found_in

Kind = Literal["lost", "gained", "changed", "moved"]
KINDS: tuple[Kind, ...] = ("lost", "gained", "changed", "moved")

_MARK = r"[#+][0-9]+$"
"""The mark that a stage appends to the id of a record for the records that it makes of it."""


@dataclass(frozen=True)
class Example:
    """One record of a transition."""

    id: str
    key: str
    """Key of its sample, in A or else in B."""


@dataclass
class Transition:
    """Records with the same outcome in A and the same outcome in B."""

    kind: Kind
    """'lost': accepted only in A; 'gained': only in B; 'changed': in both, with another sample; 'moved': in neither."""
    before: str
    after: str
    records: int
    examples: list[Example]
    """Some of the records, always the same ones: chosen by a hash of their ids."""


@dataclass
class Shift:
    """The change of a score, over the records that have it on both sides."""

    name: str
    records: int
    before: float
    """Mean in A."""
    after: float
    """Mean in B."""
    changed: int
    """Number of records with another value."""


@dataclass
class DatasetSummary:
    """One of the two compared datasets."""

    out: str
    pipeline: str
    fingerprint: str
    records: int
    accepted: int
    failed: int


@dataclass
class Diff:
    """The differences between two datasets, A and B."""

    a: DatasetSummary
    b: DatasetSummary
    settings: list[Setting]
    """Differences between the configs, without changes that only follow from others."""
    transitions: list[Transition]
    """Sorted by kind, then by number of records, largest first."""
    kept: int
    """Samples that are in both with the same content."""
    unchanged: int
    """Records that were accepted in neither and have the same outcome."""
    scores: list[Shift]
    notes: list[str]


def diff(a: str, b: str, *, examples: int = 5) -> Diff:
    """Compare the finished datasets at two addresses by the ids of their records.

    If an ancestor of a record ended on one side before the record was made, the record counts there with the outcome of
    the ancestor. Raises `StoreError` if there is no finished dataset at one of the addresses.
    """
    names = OutcomeNames()
    one, other = read_side(a, names=names), read_side(b, names=names)
    found = _join_sides(one, other)
    pairs = _pairs(found)
    # ids are sorted by digest, so the first ones are an arbitrary but fixed choice
    chosen = [found.ids[places[:examples]] for _, _, _, places in pairs]
    known = _examples_by_digest(np.concatenate([digests([]), *chosen]), (one, other))
    return Diff(
        a=_summary(one),
        b=_summary(other),
        settings=settings(one, other),
        transitions=[
            Transition(
                kind,
                names.texts[before],
                names.texts[after],
                len(places),
                [known[digest] for digest in picked.tolist()],
            )
            for (kind, before, after, places), picked in zip(pairs, chosen, strict=True)
        ],
        kept=int(np.sum((found.before == ACCEPTED) & (found.after == ACCEPTED) & ~found.changed)),
        unchanged=int(np.sum((found.before == found.after) & (found.before != ACCEPTED))),
        scores=list(_shifts(one, other)),
        notes=list(_notes(one, other)),
    )


def _summary(side: Side) -> DatasetSummary:
    totals = side.dataset.totals
    return DatasetSummary(
        side.address, side.dataset.pipeline, side.dataset.fingerprint, totals.records, totals.accepted, totals.failed
    )


def _notes(one: Side, other: Side) -> Iterator[str]:
    if one.dataset.pipeline != other.dataset.pipeline:
        yield "these are different pipelines: records are the same only if their ids are"
    if len(one.ids) and len(other.ids) and not found_in(one.ids, other.ids)[1].any():
        yield "no record of one is in the other: do both take their records from the same source?"


class _JoinedEnds(NamedTuple):
    """The outcomes on both sides of all records that ended on at least one, sorted by the digest of their ids."""

    ids: Digests
    before: Codes
    after: Codes
    changed: Flags
    """Whether it was accepted on both sides with different samples."""


def _join_sides(one: Side, other: Side) -> _JoinedEnds:
    ids = np.union1d(one.ids, other.ids)
    before, after = one.end_of(ids), other.end_of(ids)
    inner = ((before == INNER) & (after != ACCEPTED)) | ((after == INNER) & (before != ACCEPTED))
    ids, before, after = (
        ids[~inner],
        before[~inner],
        after[~inner],
    )  # the records that were made of it are compared instead
    _trace(ids, before, other, one)
    _trace(ids, after, one, other)
    both = (before == ACCEPTED) & (after == ACCEPTED)
    changed = np.zeros(len(ids), np.bool_)
    changed[both] = _samples(one, ids[both]) != _samples(other, ids[both])
    return _JoinedEnds(ids, before, after, changed)


def _samples(side: Side, ids: Digests) -> Digests:
    return side.samples[found_in(side.ids, ids)[0]] if len(ids) else ids


def _trace(ids: Digests, ends: Codes, there: Side, missing: Side) -> None:
    """Give records that the side `missing` lacks the outcome of their ancestors on that side; fills in `ends`."""
    wanted = np.flatnonzero(ends == ABSENT)
    if not len(wanted):
        return
    for table in there.names(["id"]):
        places, known = found_in(ids[wanted], digests(table["id"]))
        if known.any():
            found = table["id"].filter(pa.array(known))
            ends[wanted[places[known]]] = _end_of_ancestors(found, missing)


def _end_of_ancestors(ids: pa.ChunkedArray, side: Side) -> Codes:
    ends = np.full(len(ids), ABSENT, np.int32)
    open = np.arange(len(ids))
    while len(open):
        parents = pc.replace_substring_regex(ids, _MARK, "")
        derived = pc.not_equal(parents, ids).to_numpy()
        ids, open = parents.filter(pa.array(derived)), open[derived]
        found = side.end_of(digests(ids))
        # the ancestor went on, but on this side the record was not made of it
        ends[open] = np.where(np.isin(found, (INNER, ACCEPTED)), NOT_MADE, found)
        above = found == ABSENT
        ids, open = ids.filter(pa.array(above)), open[above]
    return ends


def _pairs(found: _JoinedEnds) -> list[tuple[Kind, int, int, NDArray[np.int64]]]:
    """The transitions (kind, code before, code after, rows of their records), by kind, the largest first."""
    other = (found.before != found.after) | found.changed
    places = np.flatnonzero(other)
    if not len(places):
        return []
    both = np.stack([found.before[places], found.after[places]], axis=1)
    kinds, which = np.unique(both, axis=0, return_inverse=True)
    pairs = [
        (_kind(int(before), int(after)), int(before), int(after), places[which.ravel() == number])
        for number, (before, after) in enumerate(kinds)
    ]
    return sorted(pairs, key=lambda pair: (KINDS.index(pair[0]), -len(pair[3])))


def _kind(before: int, after: int) -> Kind:
    if before == after == ACCEPTED:
        return "changed"
    return "lost" if before == ACCEPTED else "gained" if after == ACCEPTED else "moved"


def _examples_by_digest(wanted: Digests, sides: Iterable[Side]) -> Mapping[bytes, Example]:
    """Ids and keys of the records with the digests `wanted`, by digest."""
    found: dict[bytes, Example] = {}
    left = np.sort(wanted)
    for side in sides:
        for table in side.names(["id", "key"]) if len(left) else ():
            own = digests(table["id"])
            _, known = found_in(left, own)
            rows = table.filter(pa.array(known))
            for digest, id, key in zip(own[known].tolist(), *(rows[n].to_pylist() for n in ("id", "key")), strict=True):
                if digest not in found or not found[digest].key:
                    found[digest] = Example(id, key or "")
    return found


def _shifts(one: Side, other: Side) -> Iterator[Shift]:
    """Changes of scores, over records with an outcome on both sides; records that became others are left out."""
    ended = np.flatnonzero((other.ends != INNER) & ~np.isin(one.end_of(other.ids), (INNER, ABSENT)))
    places = found_in(one.ids, other.ids[ended])[0]
    for name in sorted(one.scores.keys() & other.scores.keys()):
        before, after = one.scores[name][places], other.scores[name][ended]
        both = ~(np.isnan(before) | np.isnan(after))
        if both.any():
            before, after = before[both], after[both]
            yield Shift(name, len(before), float(before.mean()), float(after.mean()), int(np.sum(before != after)))
