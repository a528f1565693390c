"""Runs stages whose records are made of others: children of one, or one of a group."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from datagen.core.errors import DataError
from datagen.core.record import Record
from datagen.core.stage import NO_CHILDREN, Combine, Lost, Merged, Reject
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.reuse.answer_cache import Cost, Kept, Made
from datagen.execute.workers.stage_runner import ENDING, Answered, Care, NodeRun, Unit, failed
from datagen.execute.workers.state import Live, RecordEnd, State


class ExpandRun(NodeRun):
    """One Expand stage."""

    def checked(self, unit: Unit, answer: Any) -> Any:  # noqa: ARG002
        """The children's new fields; no children is a rejection."""
        if not isinstance(answer, list | tuple):
            raise DataError(f"stage '{self.node.id}' answered {type(answer).__name__}, not a list of children")
        return Made(tuple(("", self._named(fields)) for fields in answer)) if answer else Reject(NO_CHILDREN)

    def accept(self, unit: Unit, answer: Made) -> dict[str, list[Live]]:
        """The record's children; the record itself ends here."""
        live = unit.lives[0]
        children = [live.record.child(str(number), fields) for number, (_, fields) in enumerate(answer.items)]
        unit.state.end(live, RecordEnd("expanded", self.node.id, children=len(children)))
        return {live.record.id: [Live(child) for child in children if unit.state.wants(child.id)]}


class CombineRun(NodeRun):
    """One Combine stage."""

    def units(self, state: State, met: list[Live]) -> list[Unit]:
        """The groups."""
        stage = self.stage
        assert isinstance(stage, Combine)
        groups: dict[str, list[Live]] = {}
        for live in met:
            groups.setdefault(self._group(live.record, stage.by), []).append(live)
        lost: dict[str, list[Lost]] = {}
        for one, place in state.lost(stage.by):
            lost.setdefault(place, []).append(one)
        return [_group_unit(state, lives, lost.get(name, [])) for name, lives in groups.items()]

    def _group(self, record: Record, by: str) -> str:
        if not by:
            return record.parent
        return str(record[self.node.renamed.get(by, by)]) or f"{record.id} alone"

    def ask(self, units: list[Unit], *, care: Care | None, counters: StageCounters) -> Answered:
        """What the stage makes of each group."""
        return {unit.name: self._joined(unit, care, counters) for unit in units}

    def _joined(self, unit: Unit, care: Care | None, counters: StageCounters) -> Kept:
        stage = self.stage
        assert isinstance(stage, Combine)
        if spared := self.spared(unit, care):
            return Kept(spared, Cost())
        try:
            answers, cost = self.timed(unit.lives, lambda views: [stage.process_group(views, unit.lost)], counters)
        except ENDING:
            raise
        except (Exception, SystemExit) as error:
            return Kept(failed(error), Cost())
        return self._checked(unit, answers[0], cost)

    def checked(self, unit: Unit, answer: Any) -> Any:
        """The group's new records; none is a rejection."""
        if not isinstance(answer, list | tuple):
            raise DataError(f"stage '{self.node.id}' answered {type(answer).__name__}, not a list of Merged")
        ids = {live.record.id for live in unit.lives}
        return Made(tuple(self._merged(item, ids) for item in answer)) if answer else Reject(NO_CHILDREN)

    def _merged(self, item: Any, ids: set[str]) -> tuple[str, dict[str, Any]]:
        if not isinstance(item, Merged) or item.like.id not in ids:
            raise DataError(f"stage '{self.node.id}' has to give Merged(like=<a record of the group>, fields={{...}})")
        return item.like.id, self._named(item.fields, partial=True)

    def accept(self, unit: Unit, answer: Made) -> dict[str, list[Live]]:
        """The group's new records in the place of its first one."""
        whole = {live.record.id: live.record for live in unit.lives}
        made = [self._made(whole[like], fields, number) for number, (like, fields) in enumerate(answer.items)]
        first, *rest = unit.lives
        unit.state.end(first, RecordEnd("combined", self.node.id, children=len(made)))
        for live in rest:
            unit.state.end(live, RecordEnd("combined", self.node.id))
        return {**{live.record.id: [] for live in rest}, first.record.id: made}

    def _made(self, like: Record, fields: Mapping[str, Any], number: int) -> Live:
        stage = self.stage
        parent = like.id if isinstance(stage, Combine) and stage.by else like.parent
        return Live(Record(f"{like.id}+{number}", {**like.raw(), **fields}, parent=parent))


def _group_unit(state: State, lives: list[Live], lost: list[Lost]) -> Unit:
    told = json.dumps([[live.record.id for live in lives], sorted(lost)])
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return Unit(state, f"{lives[0].record.id}\0{digest}", lives, lost)
