"""Runs an operator's stages over the records of a slice."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import cv2

from datagen.errors import DataError, DatagenError, SetupError
from datagen.execute.operators import Operator
from datagen.execute.state import Live, State
from datagen.nodes import Node
from datagen.record import Record
from datagen.stage import (
    NO_CHILDREN,
    AsyncMap,
    Combine,
    Expand,
    Failed,
    Map,
    Merged,
    Reject,
    Stage,
    billing,
)
from datagen.values import settled


class Care(NamedTuple):
    """How a slice is run that killed its worker before: one record a call, and each told before it is tried."""

    announce: Callable[[str, str], None]
    """Told the stage and the record's id; what was told last is what killed the worker."""
    killers: Mapping[tuple[str, str], str]
    """What happened, for each stage and record known to kill; these are failed untried."""


class Worker:
    """An operator's stages, set up and ready."""

    def __init__(self, operator: Operator) -> None:
        cv2.setNumThreads(operator.threads)
        cv2.ocl.setUseOpenCL(False)
        self.operator = operator
        self._runs: list[_NodeRun] = []
        for node in operator.nodes:
            stage = node.stage(node.config, id=node.id, seed=operator.seed)
            try:
                stage.setup(operator.device)
            except DatagenError as error:
                raise SetupError(f"{node.origin}: stage '{node.id}' cannot start: {error}") from error
            self._runs.append(_RUNS[_kind(node)](node, stage, operator))

    def run(self, state: State, care: Care | None = None) -> State:
        """The slice after all stages of this operator."""
        for run in self._runs:
            run.care = care
            state = run.over(state)
        return state


class _NodeRun:
    """One stage over the records that meet it."""

    def __init__(self, node: Node, stage: Stage, operator: Operator) -> None:
        self.node = node
        self.stage = stage
        self.catalogue = operator.catalogue
        self.care: Care | None = None

    def over(self, state: State) -> State:
        """The slice after this stage; records that do not meet it pass untouched, in place."""
        met = [live for live in state.live if self.node.accepts(live.record)]
        if not met:
            return state
        outcome = self.outcomes(met, state)
        kept: list[Live] = []
        for live in state.live:
            if live.record.id not in outcome:
                kept.append(live)
            else:
                kept.extend(self._settle(state, live, outcome[live.record.id]))
        state.live = kept
        return state

    def outcomes(self, met: Sequence[Live], state: State) -> dict[str, Any]:  # noqa: ARG002 - Combine asks it
        """What the stage answers, by record id; an exception as `Failed`."""
        answers: dict[str, Any] = {}
        size = 1 if self.care else self.node.resources.batch_size
        for start in range(0, len(met), size):
            part = list(met[start : start + size])
            found = self._known_killer(part[0].record.id)
            answers.update(zip((live.record.id for live in part), [found] if found else self._batch(part), strict=True))
        return answers

    def _known_killer(self, id: str) -> Failed | None:
        """With care, the end of a record that killed a worker here; any other is announced as tried now."""
        if self.care is None:
            return None
        if what := self.care.killers.get((self.node.id, id)):
            return Failed(what)
        self.care.announce(self.node.id, id)
        return None

    def view(self, live: Live) -> Record:
        """What the stage may see of a record, under the stage's own names."""
        names = (*self.stage.needs(self.stage.config), *self.stage.optional)
        return live.record.seeing(names, renamed=self.node.renamed)

    def _batch(self, part: list[Live]) -> list[Any]:
        """Answers of one call; if it raises, of one call a record, so that the culprit fails alone."""
        try:
            return self._timed(part, self._process)
        except SetupError:
            raise
        except (Exception, SystemExit) as error:
            if len(part) == 1:
                return [_failed(error)]
        return [answer for live in part for answer in self._batch([live])]

    def _timed(self, part: Sequence[Live], call: Callable[[list[Record]], list[Any]]) -> list[Any]:
        start = time.perf_counter()
        views = [self.view(live) for live in part]
        with billing() as bill:
            try:
                return call(views)
            finally:
                share = (time.perf_counter() - start) / len(part)
                for index, live in enumerate(part):
                    tokens = bill.tokens // len(part) + (index < bill.tokens % len(part))
                    live.costs.add(self.node.id, seconds=share, tokens=tokens, usd=bill.usd / len(part))

    def _process(self, views: list[Record]) -> list[Any]:
        stage = self.stage
        assert isinstance(stage, Map | Expand)
        answers = stage.process(views)
        if len(answers) != len(views):
            raise DataError(f"stage '{self.node.id}' gave {len(answers)} answers for {len(views)} records")
        return list(answers)

    def _settle(self, state: State, live: Live, answer: Any) -> list[Live]:
        """What goes on of one record, once its answer is checked; the rest is entered in the ledger."""
        try:
            if isinstance(answer, Reject):
                self._check_reject(answer)
                fields = self._named(answer.fields, partial=True)
                state.end(live, "rejected", self.node.id, reason=answer.reason, detail=answer.detail, fields=fields)
                return []
            if isinstance(answer, Failed):
                state.end(live, "failed", self.node.id, reason="error", detail=str(answer.error))
                return []
            return self.accept(state, live, answer)
        except DataError as error:
            state.end(live, "failed", self.node.id, reason="error", detail=str(error))
            return []

    def accept(self, state: State, live: Live, answer: Any) -> list[Live]:  # noqa: ARG002 - Expand enters a row
        """The record with its new fields."""
        live.record = live.record.adding(self._named(answer))
        return [live]

    def _check_reject(self, answer: Reject) -> None:
        if not isinstance(answer.detail, str):
            raise DataError(f"stage '{self.node.id}' rejects with the detail {answer.detail!r:.60}; it has to be text")
        if answer.reason not in self.stage.rejects:
            raise DataError(f"stage '{self.node.id}' rejects for '{answer.reason}', which its `rejects` does not list")

    def _named(self, answer: Any, *, partial: bool = False) -> dict[str, Any]:
        """An answer's fields under the pipeline's names, once they are what the stage promised."""
        if not isinstance(answer, Mapping):
            raise DataError(f"stage '{self.node.id}' answered {type(answer).__name__}, not fields, Reject or Failed")
        promised = set(self.stage.writes)
        if not promised.issuperset(answer) or not (partial or promised.issubset(answer)):
            found = ", ".join(sorted(answer)) or "nothing"
            raise DataError(f"stage '{self.node.id}' wrote {found}; it promised {', '.join(sorted(promised))}")
        named = {self.node.renamed.get(name, name): value for name, value in answer.items()}
        return {name: settled(self.catalogue[name], value) for name, value in named.items()}


class _AsyncRun(_NodeRun):
    def outcomes(self, met: Sequence[Live], state: State) -> dict[str, Any]:  # noqa: ARG002
        if self.care is None:
            return asyncio.run(self._all(met))
        return {live.record.id: self._alone(live) for live in met}

    def _alone(self, live: Live) -> Any:
        id = live.record.id
        return self._known_killer(id) or asyncio.run(self._all([live]))[id]

    async def _all(self, met: Sequence[Live]) -> dict[str, Any]:
        gate = asyncio.Semaphore(self.node.resources.concurrency)
        answers = await asyncio.gather(*(self._one(live, gate) for live in met))
        return {live.record.id: answer for live, answer in zip(met, answers, strict=True)}

    async def _one(self, live: Live, gate: asyncio.Semaphore) -> Any:
        stage = self.stage
        assert isinstance(stage, AsyncMap)
        async with gate:
            start = time.perf_counter()
            with billing() as bill:
                try:
                    return await stage.process_one(self.view(live))
                except SetupError:
                    raise
                except (Exception, SystemExit) as error:
                    return _failed(error)
                finally:
                    seconds = time.perf_counter() - start
                    live.costs.add(self.node.id, seconds=seconds, tokens=bill.tokens, usd=bill.usd)


class _ExpandRun(_NodeRun):
    def accept(self, state: State, live: Live, answer: Any) -> list[Live]:
        """The record's children; the record itself ends here."""
        if not isinstance(answer, list | tuple):
            raise DataError(f"stage '{self.node.id}' answered {type(answer).__name__}, not a list of children")
        children = [live.record.child(str(number), self._named(fields)) for number, fields in enumerate(answer)]
        if not children:
            state.end(live, "rejected", self.node.id, reason=NO_CHILDREN)
            return []
        state.end(live, "expanded", self.node.id, children=len(children))
        return [Live(child) for child in children]


class _CombineRun(_NodeRun):
    def outcomes(self, met: Sequence[Live], state: State) -> dict[str, Any]:
        """Answers by the id of each group's first record; the others of the group end here."""
        groups: dict[str, list[Live]] = {}
        for live in met:
            groups.setdefault(self._group(live.record), []).append(live)
        return {id: answer for name, group in groups.items() for id, answer in self._joined(name, group, state).items()}

    def _group(self, record: Record) -> str:
        stage = self.stage
        assert isinstance(stage, Combine)
        if not stage.by:
            return record.parent
        return str(record[self.node.renamed.get(stage.by, stage.by)]) or f"{record.id} alone"

    def _joined(self, name: str, group: list[Live], state: State) -> dict[str, Any]:
        stage = self.stage
        assert isinstance(stage, Combine)
        lost = [lost for lost, place in state.lost(stage.by) if place == name]
        answer: Any = self._known_killer(group[0].record.id)
        try:
            answer = answer or self._timed(group, lambda views: [stage.process_group(views, lost)])[0]
        except SetupError:
            raise
        except (Exception, SystemExit) as error:
            answer = _failed(error)
        if not isinstance(answer, Reject | Failed | list | tuple):
            answer = Failed(f"stage '{self.node.id}' answered {type(answer).__name__}, not a list of Merged")
        elif not answer:
            answer = Reject(NO_CHILDREN)
        first, *rest = (live.record.id for live in group)
        if isinstance(answer, Reject | Failed):
            return dict.fromkeys((first, *rest), answer)
        whole = {live.record.id: live.record for live in group}
        return {first: (answer, whole), **dict.fromkeys(rest, ([], whole))}

    def _check_reject(self, answer: Reject) -> None:
        if answer.reason != NO_CHILDREN:
            super()._check_reject(answer)

    def accept(self, state: State, live: Live, answer: Any) -> list[Live]:
        """The group's new records in the place of its first one."""
        merged, whole = answer
        made = [self._merged(item, number, whole) for number, item in enumerate(merged)]
        state.end(live, "combined", self.node.id, children=len(made))
        return made

    def _merged(self, item: Any, number: int, whole: Mapping[str, Record]) -> Live:
        if not isinstance(item, Merged) or item.like.id not in whole:
            raise DataError(f"stage '{self.node.id}' has to give Merged(like=<a record of the group>, fields={{...}})")
        like = whole[item.like.id]
        stage = self.stage
        parent = like.id if isinstance(stage, Combine) and stage.by else like.parent
        fields = {**like, **self._named(item.fields, partial=True)}
        return Live(Record(f"{like.id}+{number}", fields, parent=parent))


def _failed(error: BaseException) -> Failed:
    if isinstance(error, DatagenError):
        return Failed(str(error))
    return Failed("".join(traceback.format_exception(error)).strip())


def _kind(node: Node) -> type[Stage]:
    kinds: Iterable[type[Stage]] = (Map, AsyncMap, Expand, Combine)
    return next(kind for kind in kinds if issubclass(node.stage, kind))


_RUNS: dict[type[Stage], type[_NodeRun]] = {
    Map: _NodeRun,
    AsyncMap: _AsyncRun,
    Expand: _ExpandRun,
    Combine: _CombineRun,
}
