"""Runs one stage over the records of some slices: asks it, checks what it answers, keeps it, and enters the ends."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from datagen.core.errors import AllowanceError, DataError, DatagenError, SetupError, StoreError
from datagen.core.record import Record
from datagen.core.stage import (
    NO_CHILDREN,
    Bill,
    Expand,
    Failed,
    Filter,
    Lost,
    Map,
    Reject,
    Stage,
    billing,
)
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.reuse.answer_cache import Answers, Cost, Kept, Known
from datagen.execute.workers.operators import Operator
from datagen.execute.workers.state import Live, State
from datagen.execute.workers.timeouts import Limit
from datagen.imaging.codecs import canonical
from datagen.models.base import ModelConfig, models_in
from datagen.pipeline.graph_model import Node

ENDING = (SetupError, AllowanceError, StoreError)
"""What ends the run rather than a record: no other would fare better, and a paid reply that cannot be kept is lost."""


class Care(NamedTuple):
    """How a slice is run that killed its worker before: one record a call, and each told before it is tried."""

    announce: Callable[[str, str], None]
    """Told the stage and the record's id; what was told last is what killed the worker."""
    killers: Mapping[tuple[str, str], str]
    """What happened, for each stage and record known to kill; these are failed untried."""


@contextmanager
def starting(node: Node) -> Iterator[None]:
    """Whatever a stage raises as it starts becomes a `SetupError` that says which one it was, and where."""
    try:
        yield
    except DatagenError as error:
        raise SetupError(f"{node.origin}: stage '{node.id}' cannot start: {error}") from error
    except (Exception, SystemExit) as error:  # a plugin's code may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
        raise SetupError(f"{node.origin}: stage '{node.id}' cannot start: {what}") from error


class Unit(NamedTuple):
    """What one answer is about: a record, or for Combine a group."""

    state: State
    key: str
    """The record's id; for a group its first id and a digest of all that it is told."""
    lives: list[Live]
    lost: list[Lost]

    @property
    def name(self) -> tuple[str, str]:
        """It among the units of other slices."""
        return self.state.slice, self.key

    @property
    def id(self) -> str:
        """The id by which its worker's killer is called."""
        return self.lives[0].record.id


Answered = dict[tuple[str, str], Kept]
"""By the name of the unit; `Failed` among them, which is not kept."""


class NodeRun:
    """One Map stage over the records that meet it."""

    def __init__(
        self,
        node: Node,
        operator: Operator,
        *,
        answers: Answers | None,
        limit: Limit,
        on_node: Callable[[NodeRun], None],
    ) -> None:
        self.node = node
        self.catalogue = operator.catalogue
        self.stage: Stage = node.stage(node.config, id=node.id, seed=operator.seed)
        self.answers = answers
        self._limit = limit
        self._on_node = on_node
        self._device = operator.device
        self._ready = False
        self._setting_up = threading.Lock()
        self._looks = answers is not None and answers.any()
        self.begin()

    def begin(self) -> None:
        """Have what even closing needs."""

    @property
    def is_known(self) -> bool:
        """Whether earlier runs kept answers of it, so that it may have nothing to do."""
        return self._looks

    @property
    def prepares(self) -> bool:
        """Whether the stage, or a model of it, has something to do once a machine."""
        fetching = any(type(model).fetch is not ModelConfig.fetch for model in models_in(self.node.config))
        return fetching or type(self.stage).setup_on_node is not Stage.setup_on_node

    def prepare(self) -> None:
        """Fetch what all workers of a machine share. Raises `SetupError`."""
        with starting(self.node):
            for model in models_in(self.node.config):
                model.fetch()
            self.stage.setup_on_node()

    def setup(self) -> None:
        """Load what it needs, the first time, once it is on this machine. Raises `SetupError`."""
        with self._setting_up:
            if self._ready:
                return
            self._on_node(self)
            with starting(self.node):
                self.stage.setup(self._device)
            self._ready = True

    def close(self) -> None:
        """Let go of what it started."""

    def over(self, states: Sequence[State], *, care: Care | None) -> StageCounters:
        """Run all slices through this stage; records that do not meet it pass untouched, in place."""
        counters = StageCounters()
        units = [self.units(state, met) for state in states if (met := self._met(state))]
        known = [self._known(part[0].state) for part in units]
        todo = [unit for part, kept in zip(units, known, strict=True) for unit in part if unit.key not in kept]
        fresh: Answered = {}
        if todo:
            self.setup()
            fresh = self.ask(todo, care=care, counters=counters)
        for part, kept in zip(units, known, strict=True):
            self._settle_all(part, self._all_kept(part, fresh, kept, counters), counters)
        return counters

    def _met(self, state: State) -> list[Live]:
        return [live for live in state.live if self.node.accepts(live.record)]

    def units(self, state: State, met: list[Live]) -> list[Unit]:
        """What there is to ask about the records of one slice, at least one."""
        return [Unit(state, live.record.id, [live], []) for live in met]

    def _known(self, state: State) -> Known:
        """Answers kept from before; not looked for where there are surely none."""
        if self.answers is None or not (self._looks or state.attempt > 1):
            return {}
        return self.answers.kept(state.slice)

    def _all_kept(self, units: list[Unit], fresh: Answered, known: Known, counters: StageCounters) -> dict[str, Any]:
        """Answers of one slice by the unit's key; what is new among them is kept."""
        new = {unit.key: fresh[unit.name] for unit in units if unit.name in fresh}
        if self.answers is not None:
            lasting = {key: kept for key, kept in new.items() if not isinstance(kept.answer, Failed)}
            slice = units[0].state.slice
            new |= self.answers.keep(slice, lasting) if lasting or self.answers.has_noted(slice) else {}
        for unit in units:
            if unit.name not in fresh:
                counters.reused += len(unit.lives)
                for live in unit.lives:
                    live.costs.add(self.node.id, **share_of(known[unit.key].cost, len(unit.lives))._asdict())
        return {key: self.judged(kept.answer) for key, kept in {**known, **new}.items()}

    def judged(self, answer: Any) -> Any:
        """An answer under the bounds of this run: what a Filter measured is kept whatever they were."""
        if not isinstance(self.stage, Filter) or isinstance(answer, Failed):
            return answer
        fields = answer.fields if isinstance(answer, Reject) else answer
        own = {
            name: fields[given] for name in self.stage.writes if (given := self.node.renamed.get(name, name)) in fields
        }
        if len(own) < len(self.stage.writes):
            return answer  # rejected before it was measured
        found = self.stage.judge(own)
        return found._replace(fields=fields) if isinstance(found, Reject) else fields

    def ask(self, units: list[Unit], *, care: Care | None, counters: StageCounters) -> Answered:
        """What the stage says of each unit, checked; an exception as `Failed`."""
        size = 1 if care else self.node.resources.batch_size
        found: Answered = {}
        for start in range(0, len(units), size):
            part = units[start : start + size]
            spared = self.spared(part[0], care)
            answers = [Kept(spared, Cost())] if spared else self._batch(part, counters)
            found.update(zip((unit.name for unit in part), answers, strict=True))
        return found

    def spared(self, unit: Unit, care: Care | None) -> Failed | None:
        """With care, the end of a unit that killed a worker here; any other is announced as tried now."""
        if care is None:
            return None
        if what := care.killers.get((self.node.id, unit.id)):
            return Failed(what)
        care.announce(self.node.id, unit.id)
        return None

    def view(self, live: Live) -> Record:
        """What the stage may see of a record, under the stage's own names."""
        names = (*self.stage.needs(self.stage.config), *self.stage.optional)
        return live.record.seeing(names, renamed=self.node.renamed)

    def _batch(self, part: list[Unit], counters: StageCounters) -> list[Kept]:
        """Answers of one call; if it raises, of one call a record, so that the culprit fails alone."""
        lives = [live for unit in part for live in unit.lives]
        try:
            answers, cost = self.timed(lives, self._process, counters)
        except ENDING:
            raise
        except (Exception, SystemExit) as error:
            if len(part) == 1:
                return [Kept(failed(error), Cost())]
            return [answer for unit in part for answer in self._batch([unit], counters)]
        return [
            self._checked(unit, answer, share_of(cost, len(part), index))
            for index, (unit, answer) in enumerate(zip(part, answers, strict=True))
        ]

    def timed(
        self, lives: Sequence[Live], call: Callable[[list[Record]], list[Any]], counters: StageCounters
    ) -> tuple[list[Any], Cost]:
        """One call of the stage within its time limit, its cost booked on the records; what it took."""
        views = [self.view(live) for live in lives]
        limit = self.node.resources.timeout_s
        start = time.perf_counter()
        with billing() as bill:
            try:
                with self._limit(limit) if limit else nullcontext():
                    answers = call(views)
            finally:
                cost = Cost(time.perf_counter() - start, bill.tokens, bill.usd)
                self.book(lives, cost, counters)
        return answers, cost

    def book(self, lives: Sequence[Live], cost: Cost, counters: StageCounters) -> None:
        """Enter what one call took."""
        for index, live in enumerate(lives):
            live.costs.add(self.node.id, **share_of(cost, len(lives), index)._asdict())
        counters.add(StageCounters(calls=1, seconds=cost.seconds, tokens=cost.tokens, usd=cost.usd))

    def _process(self, views: list[Record]) -> list[Any]:
        stage = self.stage
        assert isinstance(stage, Map | Expand)
        answers = stage.process(views)
        if len(answers) != len(views):
            raise DataError(f"stage '{self.node.id}' gave {len(answers)} answers for {len(views)} records")
        return list(answers)

    def _checked(self, unit: Unit, answer: Any, cost: Cost) -> Kept:
        """The answer once it is what the stage promised, its fields under the pipeline's names; else `Failed`."""
        try:
            if isinstance(answer, Failed):
                return Kept(Failed(str(answer.error)), cost)
            if isinstance(answer, Reject):
                self._check_reject(answer)
                return Kept(answer._replace(fields=self._named(answer.fields, partial=True)), cost)
            return Kept(self.checked(unit, answer), cost)
        except DataError as error:
            return Kept(Failed(str(error)), cost)

    def checked(self, unit: Unit, answer: Any) -> Any:  # noqa: ARG002 - Combine asks it
        """The fields that a Map stage gave, checked. Raises `DataError`."""
        return self._named(answer)

    def _check_reject(self, answer: Reject) -> None:
        if not isinstance(answer.detail, str):
            raise DataError(f"stage '{self.node.id}' rejects with the detail {answer.detail!r:.60}; it has to be text")
        own = answer.reason == NO_CHILDREN and self.node.branches_out
        if answer.reason not in self.stage.rejects and not own:
            raise DataError(f"stage '{self.node.id}' rejects for '{answer.reason}', which its `rejects` does not list")

    def _named(self, answer: Any, *, partial: bool = False) -> dict[str, Any]:
        if not isinstance(answer, Mapping):
            raise DataError(f"stage '{self.node.id}' answered {type(answer).__name__}, not fields, Reject or Failed")
        promised = set(self.stage.writes)
        if not promised.issuperset(answer) or not (partial or promised.issubset(answer)):
            found = ", ".join(sorted(answer)) or "nothing"
            raise DataError(f"stage '{self.node.id}' wrote {found}; it promised {', '.join(sorted(promised))}")
        named = {self.node.renamed.get(name, name): value for name, value in answer.items()}
        return {name: canonical(self.catalogue[name], value) for name, value in named.items()}

    def _settle_all(self, units: list[Unit], answers: Mapping[str, Any], counters: StageCounters) -> None:
        """What goes on of one slice; the rest is entered in the ledger."""
        state = units[0].state
        after: dict[str, list[Live]] = {}
        for unit in units:
            after.update(self._settled(unit, answers[unit.key], counters))
        kept: list[Live] = []
        for live in state.live:
            kept.extend(after.get(live.record.id, [live]))
        state.live = kept

    def _settled(self, unit: Unit, answer: Any, counters: StageCounters) -> dict[str, list[Live]]:
        """What stands in the place of each record, by its id."""
        counters.taken += len(unit.lives)
        if isinstance(answer, Reject):
            counters.rejected += len(unit.lives)
        elif isinstance(answer, Failed):
            counters.failed += len(unit.lives)
        else:
            going_on = self.accept(unit, answer)
            counters.passed += sum(map(len, going_on.values()))
            return going_on
        for live in unit.lives:
            if isinstance(answer, Reject):
                reason, detail, fields = answer
                unit.state.end(live, "rejected", self.node.id, reason=reason, detail=detail, fields=fields)
            else:
                unit.state.end(live, "failed", self.node.id, reason="error", detail=answer.error)
        return {live.record.id: [] for live in unit.lives}

    def accept(self, unit: Unit, answer: Any) -> dict[str, list[Live]]:
        """The record with its new fields."""
        live = unit.lives[0]
        id = live.record.id
        live.record = live.record.adding(answer)
        return {id: [live]}


def cost_of(start: float, bill: Bill) -> Cost:
    """What was taken since a moment, and what was charged."""
    return Cost(time.perf_counter() - start, bill.tokens, bill.usd)


def share_of(cost: Cost, number: int, index: int = 0) -> Cost:
    """What one of `number` records bears of a cost; whole tokens, the first ones bear what is over."""
    tokens = cost.tokens // number + (index < cost.tokens % number)
    return Cost(cost.seconds / number, tokens, cost.usd / number)


def failed(error: BaseException) -> Failed:
    """An exception as the end of a record: what datagen explains in one line, any other with its traceback."""
    if isinstance(error, DatagenError):
        return Failed(str(error))
    return Failed("".join(traceback.format_exception(error)).strip())
