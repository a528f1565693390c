"""Aggregates the ledger of a run in one pass: outcomes, paths, time and cost of stages, and the samples to show.

Memory does not grow with the run, except for the ids of the records that packing dropped. Scores are collected of a
limited number of records. Records are chosen by a hash of their ids and the seed, so a run always shows the same ones.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from datagen.core.errors import StoreError
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.ledger_audit import dropped_tables
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters, add_row
from datagen.execute.reuse.run_manifest import StageManifest
from datagen.report.bounds import Bound, StageScores
from datagen.report.cells import numbers_in

_ROWS = 8192
_COLUMNS = (
    "slice", "id", "parent", "status", "stage", "reason", "detail", "scores", "seconds", "tokens", "usd", "task",
    "attempts", "license", "children", "stage_tokens", "stage_usd",
)  # fmt: skip
_INNER = ("expanded", "combined")
_MOST_ERRORS = 200
"""Most kinds of error; all others are counted together."""
_EXAMPLES = 3
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\S*/\S*|0x[0-9a-f]+|\d[\d.,]*")
"""Parts of an error text that differ within one kind of error: names, addresses, numbers."""
OTHER_ERRORS = "other errors"

Path = tuple[str, ...]
"""The stages that a record and its ancestors went through, in the order of the run."""


class End(NamedTuple):
    """The outcome of a record: status, stage and reason; the last two are empty for an accepted record."""

    status: str
    stage: str = ""
    reason: str = ""


class ChosenRecord(NamedTuple):
    """A record that is chosen to be shown."""

    slice: str
    id: str
    end: End
    path: Path


@dataclass
class ErrorKind:
    """Failed records with the same kind of error."""

    stage: str
    error: str
    """The error text of the first of them."""
    count: int = 0
    examples: list[str] = field(default_factory=list)
    """Ids."""


class LowestRanked:
    """A bounded collection: of all offered records, the `most` with the lowest ranks."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[int, ChosenRecord]] = []

    def offer(self, rank: int, item: ChosenRecord) -> None:
        """Add a record if its rank is among the lowest so far."""
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, (-rank, item))
        elif self._heap and -rank > self._heap[0][0]:
            heapq.heapreplace(self._heap, (-rank, item))

    def items(self) -> list[ChosenRecord]:
        """The collected records, the lowest rank first."""
        return [item for _, item in sorted(self._heap, key=lambda pair: -pair[0])]


class Survey:
    """Aggregates a ledger table by table."""

    def __init__(
        self,
        stages: Mapping[str, StageManifest],
        *,
        seed: int,
        dropped: Mapping[str, str],
        most: int,
        most_of_reason: int,
    ) -> None:
        self.stage_counters: CountersByStage = {id: StageCounters() for id in stages}
        self.made: Counter[str] = Counter()
        """Number of new records by the stage that made them."""
        self.ends: Counter[tuple[Path, End]] = Counter()
        """Number of records by path and outcome."""
        self.stage_scores = stage_scores_of(stages)
        self.tokens = 0
        self.usd = 0.0
        self.tasks: Counter[str] = Counter()
        """Number of accepted samples by task."""
        self.licenses: Counter[str] = Counter()
        """Number of accepted samples by licence."""
        self.tried_again = 0
        """Records that took more than one attempt."""
        self._order = {id: number for number, id in enumerate(stages)}
        self._seed = seed
        self._dropped = dropped
        self._accepted: dict[str, LowestRanked] = defaultdict(lambda: LowestRanked(most))
        self._rejected: dict[End, LowestRanked] = defaultdict(lambda: LowestRanked(most_of_reason))
        self._errors: dict[tuple[str, str], ErrorKind] = {}
        self._most = most

    def add(self, table: pa.Table) -> None:
        """Add a table of whole slices, with the columns `_COLUMNS`."""
        rows = table.to_pylist()
        # a record and its ancestors are in one slice, so whole slices need no memory of earlier tables
        seconds = [numbers_in(row["seconds"]) for row in rows]
        inner = {row["id"]: (row["parent"], tuple(took)) for row, took in zip(rows, seconds, strict=True)
                 if row["status"] in _INNER}  # fmt: skip
        below = self._accepted_below(rows, inner)
        for row, took in zip(rows, seconds, strict=True):
            self._add_costs(row, took)
            place = rank(row["id"], self._seed)
            self._add_scores(row, took, place, below)
            if row["status"] not in _INNER:
                self._add_end(row, self._path(row, took, inner), place)

    def _accepted_below(self, rows: Sequence[Mapping[str, Any]], inner: Mapping[str, Any]) -> Counter[str]:
        """The number of accepted samples that came of each record."""
        below: Counter[str] = Counter()
        for row in rows:
            if row["status"] == "accepted" and row["id"] not in self._dropped:
                below[row["id"]] += 1
                for ancestor in _ancestors(row["parent"], inner):
                    below[ancestor] += 1
        return below

    def _add_costs(self, row: Mapping[str, Any], took: Mapping[str, float]) -> None:
        self.tokens += row["tokens"] or 0
        self.usd += row["usd"] or 0.0
        self.tried_again += (row["attempts"] or 1) > 1
        if row["children"]:
            self.made[row["stage"]] += row["children"]
        add_row(
            self.stage_counters,
            status=row["status"],
            stage=row["stage"],
            children=row["children"],
            seconds=took,
            tokens=numbers_in(row["stage_tokens"]),
            usd=numbers_in(row["stage_usd"]),
        )

    def _add_scores(
        self, row: Mapping[str, Any], took: Mapping[str, float], place: int, below: Mapping[str, int]
    ) -> None:
        met = [stage for stage in took if stage in self.stage_scores]
        if not met:
            return
        scores = numbers_in(row["scores"])
        for stage in met:
            rejected = row["status"] == "rejected" and row["stage"] == stage
            if row["status"] != "failed" or row["stage"] != stage:
                reason = row["reason"] if rejected else ""
                self.stage_scores[stage].add(place, scores, reason, below.get(row["id"], 0))

    def _path(self, row: Mapping[str, Any], took: Mapping[str, float], inner: Mapping[str, Any]) -> Path:
        found = {*took, *([row["stage"]] if row["stage"] in self._order else [])}
        for ancestor in _ancestors(row["parent"], inner):
            found.update(inner[ancestor][1])
        return tuple(sorted(found, key=lambda stage: self._order.get(stage, len(self._order))))

    def _add_end(self, row: Mapping[str, Any], path: Path, place: int) -> None:
        end = End(row["status"], row["stage"], row["reason"])
        if row["status"] == "accepted":
            reason = self._dropped.get(row["id"])
            end = End("rejected", DUPLICATE.stage, reason) if reason else End("accepted")
        self.ends[path, end] += 1
        item = ChosenRecord(row["slice"], row["id"], end, path)
        if end.status == "accepted":
            self.tasks[row["task"]] += 1
            self.licenses[row["license"]] += 1
            self._accepted[row["task"]].offer(place, item)
        elif end.status == "rejected":
            self._rejected[end].offer(place, item)
        else:
            self._add_error(row)

    def _add_error(self, row: Mapping[str, Any]) -> None:
        error = next((line.strip() for line in reversed((row["detail"] or "").splitlines()) if line.strip()), "")
        key = (row["stage"], _PARTICULAR.sub("…", error)[:300])
        if key not in self._errors and len(self._errors) >= _MOST_ERRORS:
            key, error = ("", OTHER_ERRORS), OTHER_ERRORS
        found = self._errors.setdefault(key, ErrorKind(key[0], error))
        found.count += 1
        if len(found.examples) < _EXAMPLES:
            found.examples.append(row["id"])

    @property
    def errors(self) -> list[ErrorKind]:
        """The kinds of error, most frequent first."""
        return sorted(self._errors.values(), key=lambda kind: (-kind.count, kind.stage, kind.error))

    def totals(self) -> Counter[End]:
        """Number of records by outcome."""
        found: Counter[End] = Counter()
        for (_, end), number in self.ends.items():
            found[end] += number
        return found

    def accepted(self) -> list[ChosenRecord]:
        """The samples to show, equally many of each task as far as there are enough."""
        return list(_in_turn([kind.items() for _, kind in sorted(self._accepted.items())], self._most))

    def rejected(self) -> list[ChosenRecord]:
        """The rejected records to show, ordered by stage and reason; at most as many as samples."""
        order = sorted(self._rejected, key=lambda end: (self._order.get(end.stage, len(self._order)), end.reason))
        chosen = _in_turn([self._rejected[end].items() for end in order], self._most)
        return sorted(chosen, key=lambda item: order.index(item.end))


DUPLICATE = End("rejected", "pack", "duplicate")


def survey(ledger: Ledger, stages: Mapping[str, StageManifest], *, seed: int, most: int, most_of_reason: int) -> Survey:
    """Aggregate the ledger of a finished dataset; shows up to `most` samples. Raises `StoreError` if it is damaged."""
    tables = dropped_tables(ledger, columns=["id", "reason"])
    dropped = {row["id"]: row["reason"] for table in tables for row in table.to_pylist()}
    found = Survey(stages, seed=seed, dropped=dropped, most=most, most_of_reason=most_of_reason)
    for table in ledger.tables(ledger.slices(), columns=_COLUMNS, rows=_ROWS):
        if empty := [name for name in _COLUMNS if table[name].null_count]:
            place = f"{ledger.store.address}/{ledger.folder}"
            raise StoreError(f"{place} has empty cells in {', '.join(empty)}; run again, which computes it anew")
        found.add(table)
    return found


def stage_scores_of(stages: Mapping[str, StageManifest]) -> dict[str, StageScores]:
    """Collectors by stage: a score belongs to the stage with a threshold on it, else to the stage that writes it."""
    stage_scores: dict[str, StageScores] = {}
    judged: set[str] = set()
    for id, stage in stages.items():
        bounds = [bound for row in stage.about.get("thresholds") or () if (bound := Bound.of(row, stage.about))]
        if bounds:
            stage_scores[id] = StageScores(tuple(dict.fromkeys(bound.score for bound in bounds)), tuple(bounds))
            judged.update(bound.score for bound in bounds)
    for id, stage in stages.items():
        writes = stage.about.get("writes") or {}
        left = tuple(name for name, kind in writes.items() if kind == "score" and name not in judged)
        if left:
            known = stage_scores.get(id, StageScores((), ()))
            stage_scores[id] = StageScores((*known.scores, *left), known.bounds)
    return stage_scores


def rank(id: str, seed: int) -> int:
    """A 64-bit pseudo-random number that depends only on the id and the seed."""
    digest = hashlib.blake2b(f"{seed}\0{id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


def _ancestors(parent: str, inner: Mapping[str, Any]) -> Iterator[str]:
    seen: set[str] = set()  # in a damaged ledger, parents may form a circle
    while parent in inner and parent not in seen:
        seen.add(parent)
        yield parent
        parent = inner[parent][0]


def _in_turn(groups: Sequence[Sequence[ChosenRecord]], most: int) -> Iterator[ChosenRecord]:
    given = 0
    for place in range(max(map(len, groups), default=0)):
        for group in groups:
            if place < len(group) and given < most:
                given += 1
                yield group[place]
