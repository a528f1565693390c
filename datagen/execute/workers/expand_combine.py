"""Runs stages that make new records: Expand makes children of one record, Combine makes records of a group."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from datagen.core.errors import DataError
from datagen.core.fields import MOST_OBJECTS
from datagen.core.record import Record
from datagen.core.stage import NO_CHILDREN, Combine, Lost, Merged, Reject
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.reuse.answer_cache import CachedAnswer, Cost, MadeRecords
from datagen.execute.workers.stage_runner import (
    UNSTOPPABLE,
    AnswersByUnit,
    CrashIsolation,
    StageRunner,
    Unit,
    failed_answer,
)
from datagen.execute.workers.state import LiveRecord, RecordEnd, SliceState


class ExpandRunner(StageRunner):
    """Runs one Expand stage."""

    def check_answer(self, unit: Unit, answer: Any) -> Any:  # noqa: ARG002
        """The new fields of the children, checked; an empty answer becomes the rejection `NO_CHILDREN`."""
        if not isinstance(answer, list | tuple):
            raise DataError(f"stage '{self.node.id}' answered {type(answer).__name__}, not a list of children")
        if len(answer) > MOST_OBJECTS:
            raise DataError(f"stage '{self.node.id}' made {len(answer):,} records of one; at most {MOST_OBJECTS:,}")
        if not answer:
            return Reject(NO_CHILDREN)
        return MadeRecords(tuple(("", fields) for fields in self._checked_fields(answer)))

    def accept(self, unit: Unit, answer: MadeRecords) -> dict[str, list[LiveRecord]]:
        """End the record, and put its children in its place."""
        live = unit.members[0]
        children = [live.record.child(str(number), fields) for number, (_, fields) in enumerate(answer.items)]
        unit.state.end(live, RecordEnd("expanded", self.node.id, children=len(children)))
        return {
            live.record.id: [LiveRecord(child, merged=live.merged) for child in children if unit.state.wants(child.id)]
        }


class CombineRunner(StageRunner):
    """Runs one Combine stage."""

    def units(self, state: SliceState, met: list[LiveRecord]) -> list[Unit]:
        """One unit for each group, with the members that were lost before."""
        stage = self.stage
        assert isinstance(stage, Combine)
        groups: dict[str, list[LiveRecord]] = {}
        for live in met:
            groups.setdefault(self._group(live.record, stage.by), []).append(live)
        lost: dict[str, list[Lost]] = {}
        for one, group in state.lost(stage.by):
            lost.setdefault(group, []).append(one)
        return [self._group_unit(state, members, lost.get(name, [])) for name, members in groups.items()]

    def _group_unit(self, state: SliceState, members: list[LiveRecord], lost: list[Lost]) -> Unit:
        # Members and lost records are in the key: if the group changes, its stored answer no longer fits.
        received = json.dumps([[live.record.id for live in members], sorted(lost)])
        digest = hashlib.sha256(received.encode()).hexdigest()[:16]
        return Unit(state, f"{members[0].record.id}\0{digest}", members, lost, self.files_digest(members))

    def _group(self, record: Record, by: str) -> str:
        if not by:
            return record.parent
        return str(record[self.node.renamed.get(by, by)]) or f"{record.id} alone"  # without a value: a group of its own

    def call_stage(
        self, units: list[Unit], *, isolation: CrashIsolation | None, counters: StageCounters
    ) -> AnswersByUnit:
        """Call the stage once for each group."""
        return {unit.name: self._call_group(unit, isolation, counters) for unit in units}

    def _call_group(self, unit: Unit, isolation: CrashIsolation | None, counters: StageCounters) -> CachedAnswer:
        stage = self.stage
        assert isinstance(stage, Combine)
        if killer_failure := self.killer_failure(unit, isolation):
            return CachedAnswer(killer_failure, Cost())
        views = [self.view(live) for live in unit.members]
        try:
            answers, cost = self.timed_call(
                unit.members, lambda: [stage.process_group(self.batch(views), [*unit.lost])], counters
            )
        except UNSTOPPABLE:
            raise
        except BaseException as error:
            return CachedAnswer(failed_answer(error), Cost())
        return self.checked(unit, views, answers[0], cost)

    def check_answer(self, unit: Unit, answer: Any) -> Any:
        """The new records of the group, checked; an empty answer becomes the rejection `NO_CHILDREN`."""
        if not isinstance(answer, list | tuple):
            raise DataError(f"stage '{self.node.id}' answered {type(answer).__name__}, not a list of Merged")
        if not answer:
            return Reject(NO_CHILDREN)
        ids = {live.record.id for live in unit.members}
        if not all(isinstance(item, Merged) and item.like.id in ids for item in answer):
            raise DataError(f"stage '{self.node.id}' has to give Merged(like=<a record of the group>, fields={{...}})")
        fields = self._checked_fields([item.fields for item in answer], partial=True)
        return MadeRecords(tuple(zip((item.like.id for item in answer), fields, strict=True)))

    def accept(self, unit: Unit, answer: MadeRecords) -> dict[str, list[LiveRecord]]:
        """End all members, and put the new records in the place of the first one."""
        whole = {live.record.id: live.record for live in unit.members}
        made = [
            LiveRecord(self._new_record(whole[like], fields, number), merged=unit.files)
            for number, (like, fields) in enumerate(answer.items)
        ]
        first, *rest = unit.members
        unit.state.end(first, RecordEnd("combined", self.node.id, children=len(made)))
        for live in rest:
            unit.state.end(live, RecordEnd("combined", self.node.id))
        return {**{live.record.id: [] for live in rest}, first.record.id: made}

    def _new_record(self, like: Record, fields: Mapping[str, Any], number: int) -> Record:
        stage = self.stage
        # Siblings are replaced by a sibling; members that a field groups have no common parent.
        parent = like.id if isinstance(stage, Combine) and stage.by else like.parent
        return Record(f"{like.id}+{number}", {**like.raw(), **fields}, parent=parent)
