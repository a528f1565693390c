"""Runs one stage over the records of some slices.

`StageRunner.run_slices` is the whole flow; each step is a method:

1. `_matching` takes the records of each slice that the stage's `when` accepts. The others pass untouched, in place.
2. `units` forms the units of work: one for each record, for Combine one for each group.
3. `_stored_answers` loads what earlier runs answered. If every unit has a stored answer, the stage is not even set up:
   a changed threshold behind it loads no weights.
4. `call_stage` calls the stage for the other units, in batches that may span slices, and checks each answer against
   what the stage promised. An exception becomes the answer `Failed` of one record; only `FATAL_ERRORS` end the run.
5. `_store_answers` stores new answers, so that no later run computes or pays for them again. If another worker stored
   an answer first, that one counts.
6. `_apply_answers` replaces each record by what came of it, and enters the ends of the others (rejected, failed,
   expanded, combined) into the slice. They become rows of the ledger when the slice is committed.

Subclasses change single steps: `AsyncRunner` (calls that wait for services), `ExpandRunner` and `CombineRunner`.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from datagen.core.error_text import brief, describe_error, message_of, shortened
from datagen.core.errors import AllowanceError, DataError, DatagenError, SetupError, StoreError
from datagen.core.frozen import frozen
from datagen.core.record import Record
from datagen.core.redact import redact_values
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
from datagen.execute.reuse.answer_cache import AnswerCache, AnswersById, CachedAnswer, Cost
from datagen.execute.reuse.fingerprints import digest
from datagen.execute.workers.operators import Operator
from datagen.execute.workers.state import LiveRecord, RecordEnd, SliceState
from datagen.execute.workers.timeouts import TimeLimit
from datagen.imaging.codecs import canonical
from datagen.models.base import ModelConfig, models_in
from datagen.pipeline.graph_model import Node

FATAL_ERRORS = (SetupError, AllowanceError, StoreError)
"""Errors that end the run instead of a record: other records would fail too, or a paid reply could not be stored."""
UNSTOPPABLE = (*FATAL_ERRORS, KeyboardInterrupt)
"""What no record fails for. All else does, whatever it derives from: a panic of Rust code is a `BaseException`."""


class CrashIsolation(NamedTuple):
    """How to run a slice that killed its worker before: one record in each call, each announced before it is tried."""

    announce: Callable[[str, str], None]
    """Called with the stage and the record's id; the last record announced is the one that killed the worker."""
    killers: Mapping[tuple[str, str], str]
    """By stage and record id, what happened to the worker. These records fail untried."""


@contextmanager
def wrapping_setup_errors(node: Node) -> Iterator[None]:
    """Turn any exception of a stage's setup into a `SetupError` that names the stage and its line in the config."""
    try:
        yield
    except DatagenError as error:
        raise SetupError(f"{node.origin}: stage '{node.id}' cannot start: {message_of(error)}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin's code may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {message_of(error)} ({last.filename}:{last.lineno})"
        raise SetupError(f"{node.origin}: stage '{node.id}' cannot start: {what}") from error


class Unit(NamedTuple):
    """What gets one answer: a record, or for Combine a group."""

    state: SliceState
    given: str
    """The record's id; for a group, its first id and a digest of all that the stage receives."""
    members: list[LiveRecord]
    """The record, or the members of the group."""
    lost: list[Lost]
    """Members of the group that were rejected or failed before."""
    files: str
    """A digest of the checksums of the files on which the answer depends, '' if no file was read."""

    @property
    def key(self) -> str:
        """What its answer is stored under: `given`, and `files` if there are any."""
        return f"{self.given}\0{self.files}" if self.files else self.given

    @property
    def name(self) -> tuple[str, str]:
        """Slice and key: identifies the unit among those of several slices."""
        return self.state.slice, self.key

    @property
    def id(self) -> str:
        """The record id under which the unit is announced, and blamed if it kills the worker."""
        return self.members[0].record.id


AnswersByUnit = dict[tuple[str, str], CachedAnswer]
"""Answers by `Unit.name`. `Failed` answers are among them; these are not stored."""


class StageRunner:
    """Runs one Map stage.

    `answers` is the stage's store of answers, None if the stage is not durable. `checksums` are the fields with the
    checksums of the files on which they depend. `limit` ends calls that take too long. `on_node` is called before the
    first setup, to prepare the machine. `first` is the runner of the first round in the same worker, if the node is a
    later round of a repeat block: what that one loaded serves this one too.
    """

    def __init__(
        self,
        node: Node,
        operator: Operator,
        *,
        answers: AnswerCache | None,
        checksums: Sequence[str],
        limit: TimeLimit,
        on_node: Callable[[StageRunner], None],
        first: StageRunner | None = None,
    ) -> None:
        self.node = node
        self.catalogue = operator.catalogue
        self.stage: Stage = node.stage(node.config, id=node.id, seed=operator.seed)
        self.answers = answers
        self._checksums = checksums
        self._limit = limit
        self._on_node = on_node
        self.first = first
        self._device = operator.device
        self._ready = False
        self._setting_up = threading.Lock()
        self._has_stored_answers = answers is not None and answers.has_any()
        self.init_resources()

    def init_resources(self) -> None:
        """Create what `close` needs, even if the stage is never set up."""

    @property
    def has_stored_answers(self) -> bool:
        """Whether earlier runs stored answers of the stage, so that it may have nothing to compute."""
        return self._has_stored_answers

    @property
    def needs_node_setup(self) -> bool:
        """Whether the stage or one of its models has work to do once on each machine, such as fetching weights."""
        fetching = any(type(model).fetch is not ModelConfig.fetch for model in models_in(self.node.config))
        return fetching or type(self.stage).setup_on_node is not Stage.setup_on_node

    def setup_node(self) -> None:
        """Do the work that all workers of a machine share. Raises `SetupError`."""
        with wrapping_setup_errors(self.node):
            for model in models_in(self.node.config):
                model.fetch()
            self.stage.setup_on_node()

    @property
    def shares_stage(self) -> bool:
        """Whether it uses what the first round loaded.

        A stage that calls a service is set up in each round: its clients weigh nothing, and draw anew in each.
        """
        return self.first is not None and self.node.cost < 2

    def setup(self) -> None:
        """Set the stage up, if that was not done yet. Raises `SetupError`."""
        with self._setting_up:  # calls for several slices may run in threads of one actor
            if self._ready:
                return
            if self.first is not None and self.shares_stage:
                self.first.setup()
                # under its own id, on which its random numbers depend
                vars(self.stage).update({**vars(self.first.stage), "id": self.stage.id, "runtime": self.stage.runtime})
            else:
                self._on_node(self)
                with wrapping_setup_errors(self.node):
                    self.stage.setup(self._device)
            self._ready = True

    def close(self) -> None:
        """Release what the runner started."""

    def run_slices(self, states: Sequence[SliceState], *, isolation: CrashIsolation | None) -> StageCounters:
        """Run all slices through the stage; see the head of this file. Changes `states`, returns what the stage did.

        Raises one of `FATAL_ERRORS`; what was answered before that is stored for stages that wait for a service.
        """
        counters = StageCounters()
        units = [self.units(state, met) for state in states if (met := self._matching(state))]
        known = [self._stored_answers(part) for part in units]
        todo = [unit for part, stored in zip(units, known, strict=True) for unit in part if unit.key not in stored]
        fresh: AnswersByUnit = {}
        if todo:
            self.setup()
            fresh = self.call_stage(todo, isolation=isolation, counters=counters)
        for part, stored in zip(units, known, strict=True):
            self._apply_answers(part, self._store_answers(part, fresh, stored, counters), counters)
        return counters

    def _matching(self, state: SliceState) -> list[LiveRecord]:
        return [live for live in state.live if self.node.accepts(live.record)]

    def units(self, state: SliceState, met: list[LiveRecord]) -> list[Unit]:
        """The units of work among the records `met`, at least one, of one slice."""
        return [Unit(state, live.record.id, [live], [], self.files_digest([live])) for live in met]

    def files_digest(self, members: Sequence[LiveRecord]) -> str:
        """A digest of the checksums of all files that were read for these records, '' if none was."""
        found = [[live.merged, *(live.record.get(name, "") for name in self._checksums)] for live in members]
        return digest(found) if any(map(any, found)) else ""

    def _stored_answers(self, units: list[Unit]) -> AnswersById:
        """Stored answers of the units of one slice, by key. Storage is not read where there cannot be any."""
        state = units[0].state
        # Even in the first run of a stage, an attempt that died may have stored answers before it did.
        if self.answers is None or not (self._has_stored_answers or state.attempt > 1):
            return {}
        found = self.answers.load(state.slice)
        # Answers that were stored before checksums were in the keys are under `given` alone.
        return {unit.key: found[key] for unit in units for key in (unit.given, unit.key) if key in found}

    def _store_answers(
        self, units: list[Unit], fresh: AnswersByUnit, known: AnswersById, counters: StageCounters
    ) -> dict[str, Any]:
        """Store the new answers of one slice. Returns all its answers by unit key, as this run judges them."""
        new = {unit.key: fresh[unit.name] for unit in units if unit.name in fresh}
        if self.answers is not None:
            # a failure may be gone in the next run: `retry` computes it again
            lasting = {key: cached for key, cached in new.items() if not isinstance(cached.answer, Failed)}
            slice = units[0].state.slice
            new |= self.answers.save(slice, lasting) if lasting or self.answers.has_unsaved(slice) else {}
        for unit in units:
            if unit.name not in fresh:
                counters.reused += len(unit.members)
                for live in unit.members:
                    live.costs.add(self.node.id, **split_cost(known[unit.key].cost, len(unit.members))._asdict())
        return {key: self.apply_thresholds(cached.answer) for key, cached in {**known, **new}.items()}

    def apply_thresholds(self, answer: Any) -> Any:
        """The answer under the thresholds of this run.

        A Filter's scores are stored whatever its thresholds were, and each run compares them with its own. Otherwise
        the most expensive models would run again for every new threshold.
        """
        if not isinstance(self.stage, Filter) or isinstance(answer, Failed):
            return answer
        fields = answer.fields if isinstance(answer, Reject) else answer
        own = {
            name: fields[given] for name in self.stage.writes if (given := self.node.renamed.get(name, name)) in fields
        }
        if len(own) < len(self.stage.writes):
            return answer  # rejected before it was measured
        try:
            found = self.stage.judge({name: frozen(value, name=f"field '{name}'") for name, value in own.items()})
            if isinstance(found, Reject):
                self._check_reject(found)
        except UNSTOPPABLE:
            raise
        except BaseException as error:
            return failed_answer(error)
        if isinstance(found, Failed):
            return Failed(message_of(DataError(found.error)))
        return found._replace(fields=fields) if isinstance(found, Reject) else fields

    def call_stage(
        self, units: list[Unit], *, isolation: CrashIsolation | None, counters: StageCounters
    ) -> AnswersByUnit:
        """Call the stage for `units`, in batches. Returns checked answers; an exception becomes `Failed`."""
        size = 1 if isolation else self.node.resources.batch_size
        found: AnswersByUnit = {}
        for start in range(0, len(units), size):
            part = units[start : start + size]
            killer_failure = self.killer_failure(part[0], isolation)
            answers = [CachedAnswer(killer_failure, Cost())] if killer_failure else self._call_batch(part, counters)
            found.update(zip((unit.name for unit in part), answers, strict=True))
        return found

    def killer_failure(self, unit: Unit, isolation: CrashIsolation | None) -> Failed | None:
        """In isolation: the failure of a unit that is known to kill its worker; any other unit is announced instead."""
        if isolation is None:
            return None
        if what := isolation.killers.get((self.node.id, unit.id)):
            return Failed(what)
        isolation.announce(self.node.id, unit.id)
        return None

    def view(self, live: LiveRecord) -> Record:
        """The record as the stage sees it: only the fields that it declares, under the stage's own names."""
        names = (*self.stage.needs(self.stage.config), *self.stage.optional)
        return live.record.seeing(names, renamed=self.node.renamed)

    def _call_batch(self, part: list[Unit], counters: StageCounters) -> list[CachedAnswer]:
        """Answers of one call. If it raises, each unit gets a call of its own, so that the one at fault fails alone."""
        members = [live for unit in part for live in unit.members]
        views = [self.view(live) for live in members]
        try:
            answers, cost = self.timed_call(members, lambda: self._call_process(views), counters)
        except UNSTOPPABLE:
            raise
        except BaseException as error:
            if len(part) == 1:
                return [CachedAnswer(failed_answer(error), Cost())]
            return [answer for unit in part for answer in self._call_batch([unit], counters)]
        return [
            self.checked(unit, [view], answer, split_cost(cost, len(part), index))
            for index, (unit, view, answer) in enumerate(zip(part, views, answers, strict=True))
        ]

    def timed_call(
        self, members: Sequence[LiveRecord], call: Callable[[], list[Any]], counters: StageCounters
    ) -> tuple[list[Any], Cost]:
        """Make one call of the stage within its time limit. Returns its answers and its cost.

        The cost is added to the records `members`, also if the call raises: its time and money are spent.
        """
        limit = self.node.resources.timeout_s
        start = time.perf_counter()
        with billing() as bill:
            try:
                with self._limit(limit) if limit else nullcontext():
                    answers = call()
            finally:
                cost = cost_since(start, bill)
                self.add_cost(members, cost, counters)
        return answers, cost

    def add_cost(self, members: Sequence[LiveRecord], cost: Cost, counters: StageCounters) -> None:
        """Divide the cost of one call among its records, and count the call."""
        for index, live in enumerate(members):
            live.costs.add(self.node.id, **split_cost(cost, len(members), index)._asdict())
        counters.add(StageCounters(calls=1, seconds=cost.seconds, tokens=cost.tokens, usd=cost.usd))

    def _call_process(self, views: list[Record]) -> list[Any]:
        stage = self.stage
        assert isinstance(stage, Map | Expand)
        answers = list(stage.process(self.batch(views)))
        if len(answers) != len(views):
            raise DataError(f"stage '{self.node.id}' gave {len(answers)} answers for {len(views)} records")
        return answers

    def batch(self, views: list[Record]) -> list[Record]:
        """The list of records that the stage gets, frozen: if it were sorted, answers would go to other records."""
        given: list[Record] = frozen(views, name="the list of records")
        return given

    def checked(self, unit: Unit, views: Iterable[Record], answer: Any, cost: Cost) -> CachedAnswer:
        """The answer with its fields under the pipeline's names; `Failed` if it is not what the stage promised.

        It shares nothing with the stage. `views` are the records that the stage got for the unit.
        """
        try:
            for view in views:
                self._check_unchanged(view)
            return CachedAnswer(self._promised(unit, answer), cost)
        except UNSTOPPABLE:
            raise
        except BaseException as error:  # an answer may be an object of the stage's own, whose methods run here
            return CachedAnswer(failed_answer(error), cost)

    def _check_unchanged(self, view: Record) -> None:
        if changed := view.changed_fields():
            raise DataError(
                f"stage '{self.node.id}' changed field '{changed[0]}' of record '{view.id}', which it was given; "
                "it has to copy what it changes"
            )

    def _promised(self, unit: Unit, answer: Any) -> Any:
        if isinstance(answer, Failed):
            return Failed(shortened(str(answer.error)))
        if isinstance(answer, Reject):
            self._check_reject(answer)
            (fields,) = self._checked_fields([answer.fields], partial=True)
            return Reject(str(answer.reason), shortened(answer.detail, clean=redact_values), fields)
        return self.check_answer(unit, answer)

    def check_answer(self, unit: Unit, answer: Any) -> Any:  # noqa: ARG002 - CombineRunner uses it
        """The fields of a Map stage's answer, checked and in canonical form. Raises `DataError`."""
        (fields,) = self._checked_fields([answer])
        return fields

    def _check_reject(self, answer: Reject) -> None:
        if not isinstance(answer.detail, str):
            raise DataError(f"stage '{self.node.id}' rejects with the detail {brief(answer.detail)}; it has to be text")
        own = answer.reason == NO_CHILDREN and self.node.branches_out
        if answer.reason not in self.stage.rejects and not own:
            raise DataError(f"stage '{self.node.id}' rejects for '{answer.reason}', which its `rejects` does not list")

    def _checked_fields(self, parts: Iterable[Any], *, partial: bool = False) -> list[dict[str, Any]]:
        """The fields of each part of an answer, checked, in canonical form and without secrets.

        What several parts have in common, as siblings do, is checked, and held, once. Raises `DataError`.
        """
        named = [self._named_fields(part, partial=partial) for part in parts]
        checked: dict[tuple[str, int], Any] = {}
        for fields in named:
            for name, value in fields.items():
                if (name, id(value)) not in checked:
                    checked[name, id(value)] = canonical(self.catalogue[name], value)
        # Redacted before anything goes on: what is stored and what the next stage gets must not differ.
        final = dict(zip(checked, redact_values([*checked.values()]), strict=True))
        return [{name: final[name, id(value)] for name, value in fields.items()} for fields in named]

    def _named_fields(self, answer: Any, *, partial: bool) -> dict[str, Any]:
        """Fields under the pipeline's names; all that the stage promised, or with `partial` any of them."""
        if not isinstance(answer, Mapping):
            raise DataError(f"stage '{self.node.id}' answered {type(answer).__name__}, not fields, Reject or Failed")
        promised = set(self.stage.writes)
        if not promised.issuperset(answer) or not (partial or promised.issubset(answer)):
            found = ", ".join(sorted(answer)) or "nothing"
            raise DataError(f"stage '{self.node.id}' wrote {found}; it promised {', '.join(sorted(promised))}")
        return {self.node.renamed.get(name, name): value for name, value in answer.items()}

    def _apply_answers(self, units: list[Unit], answers: Mapping[str, Any], counters: StageCounters) -> None:
        """Replace each record of one slice by what came of it; the order of records stays."""
        state = units[0].state
        after: dict[str, list[LiveRecord]] = {}
        for unit in units:
            after.update(self._apply_answer(unit, answers[unit.key], counters))
        remaining: list[LiveRecord] = []
        for live in state.live:
            remaining.extend(after.get(live.record.id, [live]))
        state.live = remaining

    def _apply_answer(self, unit: Unit, answer: Any, counters: StageCounters) -> dict[str, list[LiveRecord]]:
        """Count one unit and enter its ends. Returns by record id the records that take its place."""
        counters.taken += len(unit.members)
        if isinstance(answer, Reject):
            counters.rejected += len(unit.members)
        elif isinstance(answer, Failed):
            counters.failed += len(unit.members)
        else:
            going_on = self.accept(unit, answer)
            counters.passed += sum(map(len, going_on.values()))
            return going_on
        for live in unit.members:
            if isinstance(answer, Reject):
                unit.state.end(live, RecordEnd("rejected", self.node.id, *answer))
            else:
                unit.state.end(live, RecordEnd("failed", self.node.id, "error", answer.error))
        return {live.record.id: [] for live in unit.members}

    def accept(self, unit: Unit, answer: Any) -> dict[str, list[LiveRecord]]:
        """Apply an answer that is no `Reject` or `Failed`: here, the record gets its new fields.

        Returns by record id the records that take its place.
        """
        live = unit.members[0]
        id = live.record.id
        live.record = live.record.adding(answer)
        return {id: [live]}


def cost_since(start: float, bill: Bill) -> Cost:
    """The cost of a call that started at `start` (of `time.perf_counter`), with what the stage charged to `bill`."""
    return Cost(time.perf_counter() - start, bill.tokens, bill.usd)


def split_cost(cost: Cost, number: int, index: int = 0) -> Cost:
    """The part of a cost that record `index` of `number` bears. Tokens stay whole: the first records bear the rest."""
    tokens = cost.tokens // number + (index < cost.tokens % number)
    return Cost(cost.seconds / number, tokens, cost.usd / number)


def failed_answer(error: BaseException) -> Failed:
    """An exception as an answer; see `describe_error`."""
    return Failed(describe_error(error))
