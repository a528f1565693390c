"""Gives slices to pools of actors, a pool for each operator.

The driver moves references. Pixels go from actor to actor through the object
store, and the last operator's actors commit. A pool is given work only while
the next one has little waiting, and new slices are cut only while what is on
its way fits into its share of the object store.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)

from datagen.core.errors import AllowanceError, DatagenError
from datagen.execute.engines.actors import Done, Killers, calls_at_once, maker
from datagen.execute.engines.cluster import check_is_joined, fit_within, machines, most_workers, shares, taken
from datagen.execute.engines.metrics import PoolNow, count, count_committed, tell_pools
from datagen.execute.engines.progress_events import Heard
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.crash_journal import Journal
from datagen.execute.workers.operators import WRITE, Operator
from datagen.execute.workers.slices import Job
from datagen.execute.workers.worker import Place
from datagen.storage.store import Store

DEATHS = (RayActorError, OutOfMemoryError, WorkerCrashedError, NodeDiedError)
"""What a call ends with whose worker is gone."""

_QUEUED = 1
"""Calls that an actor is given beyond those that it works on, so that it need not wait for the next."""
_BATCHES = 4
"""Batches that are filled across slices at once: what does not fill one is then a small part."""
_BUNDLE_BYTES = 16e6
"""After which batches are filled no further: a call's memory stays small."""
_STORE_SHARE = 0.3
"""Of the object store, for slices on their way."""
_IDLE_SECONDS = 2.0
"""After so long without work a worker gives its cores to a pool that has too much of it."""
_CHECK_SECONDS = 2.0
"""Between two looks at whether Ray is still there, and at how the pools are."""
_LANDING_SECONDS = 120.0
"""For calls to services that are in flight as the run has to end."""
_MOST_LOST = 5
"""Times that a slice's worker may die before it tells what it tries."""


@dataclass
class _Task:
    """A slice at one operator."""

    job: Job
    step: int = 0
    work: Any = None
    """A reference to the parcel that the operator before made; nothing at the first one."""
    blobs: list[Any] = field(default_factory=list)
    """References to the parcel's blobs: each operator adds its own, and those of earlier ones stay where they are."""
    records: int = 0
    bytes: int = 0
    attempt: int = 1
    journal: Journal | None = None
    killers: Killers = field(default_factory=dict)
    lost: int = 0
    hungry: tuple[str, str] | None = None
    """The stage and record at which its worker ran out of memory though it ran alone."""


@dataclass
class _Seat:
    """A place in a pool; a worker that dies is replaced in it."""

    actor: Any
    calls: int = 0
    idle_since: float = field(default_factory=time.monotonic)


@dataclass
class _Call:
    """Slices that one worker was given together."""

    tasks: list[_Task]
    seat: _Seat
    actor: Any
    sent: list[Any]
    """References to what will come back of each slice: a parcel, and the blobs that it adds."""


class _Pool:
    """The workers of one operator, and the slices that wait for them."""

    def __init__(self, operator: Operator, make: Callable[[bool], Any], share: int) -> None:
        self.operator = operator
        self.make = make
        self.share = share
        self.seats = [_Seat(make(True)) for _ in range(operator.replicas.min)]
        self.waiting: deque[_Task] = deque()
        self.room = calls_at_once(operator) + _QUEUED

    @property
    def fills(self) -> bool:
        """Whether batches are filled across slices."""
        return self.operator.cost == 1 or (self.operator.cost == 0 and self.operator.waits)

    def is_fed(self) -> bool:
        """Whether enough waits here: slices, and where batches are filled across them, records or bytes too."""
        if len(self.waiting) < 2 * self.room * len(self.seats):
            return False
        if not self.fills:
            return True
        records = sum(task.records for task in self.waiting) / (_BATCHES * self.operator.batch)
        size = sum(task.bytes for task in self.waiting) / _BUNDLE_BYTES
        return max(records, size) >= 2 * len(self.seats)

    def free_seat(self) -> _Seat | None:
        """The seat with the least to do, if it has room."""
        seat = min(self.seats, key=lambda seat: seat.calls)
        return seat if seat.calls < self.room else None

    def bundle(self) -> list[_Task]:
        """What one call is to take: a slice, or where workers wait, enough of them to fill batches."""
        first = self.waiting.popleft()
        found = [first]
        if not self.fills:
            return found
        records, size = first.records, first.bytes
        fair = -(-len(self.waiting) // len(self.seats))
        while (
            first.attempt == 1
            and self.waiting
            and self.waiting[0].attempt == 1
            and len(found) <= fair
            and records + self.waiting[0].records <= _BATCHES * self.operator.batch
            and size + self.waiting[0].bytes <= _BUNDLE_BYTES
        ):
            found.append(self.waiting.popleft())
            records += found[-1].records
            size += found[-1].bytes
        return found


class Scheduler:
    """Slices on their way through the pools."""

    def __init__(
        self,
        operators: Sequence[Operator],
        committer: Committer,
        place: Place,
        jobs: Iterable[Job],
        in_flight_mb: float | None,
    ) -> None:
        self._jobs = iter(jobs)
        self._has = machines()
        counts = shares(operators, self._has)
        self._shrink = min(1.0, self._has.cpus / max(taken(operators, counts, "cpus"), 1e-9))
        last = operators[-1]
        self._pools = [
            _Pool(
                operator,
                maker(operator, committer=committer if operator is last else None, place=place, shrink=self._shrink),
                share,
            )
            for operator, share in zip(operators, counts, strict=True)
        ]
        self._operators = operators
        self._place = place
        self._calls: dict[Any, _Call] = {}
        self._suspects: deque[_Task] = deque()
        """Slices whose workers were ended for want of memory, their own or a neighbour's: each is tried alone."""
        self._budget = in_flight_mb * 1e6 if in_flight_mb else self._has.store_bytes * _STORE_SHARE
        self._bytes = 0
        self._widest = 0
        self._measured = False
        """Whether it is known how large a slice gets."""
        self._looked = time.monotonic()

    def run(self) -> Iterator[Heard]:
        """What happens, as it happens; a slice's report when it is committed."""
        try:
            self._feed()
            while self._calls:
                ready, _ = ray.wait(list(self._calls), num_returns=1, timeout=_IDLE_SECONDS)
                self._look_around()
                for ref in ready:
                    yield from self._heard(self._calls.pop(ref), ref)
                self._feed()
                if not ready:
                    yield Heard({}, workers=self._workers(), working=self._working())
        finally:
            self._end()

    def _end(self) -> None:
        """Let the workers go, so that their cores are free for packing."""
        self._export()
        for seat in (seat for pool in self._pools for seat in pool.seats):
            ray.kill(seat.actor)

    def _look_around(self) -> None:
        """Now and then, see whether Ray is still there, and tell its metrics how the pools are."""
        if time.monotonic() - self._looked > _CHECK_SECONDS:
            check_is_joined()
            self._export()
            self._looked = time.monotonic()

    def _workers(self) -> dict[str, int]:
        """How many each stage has."""
        found = {node.id: len(pool.seats) for pool in self._pools for node in pool.operator.nodes}
        return {**found, WRITE: len(self._pools[-1].seats)}

    def _working(self) -> dict[str, float]:
        """Share of each stage's workers that has work."""
        found: dict[str, float] = {}
        for pool in self._pools:
            share = sum(seat.calls > 0 for seat in pool.seats) / len(pool.seats)
            stages = [*(node.id for node in pool.operator.nodes), *([WRITE] if pool is self._pools[-1] else [])]
            found |= dict.fromkeys(stages, share) if pool.operator.cost < 2 else {}
        return found

    def _export(self) -> None:
        """Tell Ray's metrics how the pools are."""
        working = Counter(task.step for call in self._calls.values() for task in call.tasks)
        tell_pools(
            PoolNow(pool.operator.name, len(pool.seats), len(pool.waiting), working[step])
            for step, pool in enumerate(self._pools)
        )

    def _heard(self, call: _Call, ref: Any) -> Iterator[Heard]:
        call.seat.calls -= 1
        call.seat.idle_since = time.monotonic()
        try:
            done: Done = ray.get(ref)
        except DEATHS as error:
            self._bury(call, error)
        except ObjectLostError as error:
            yield Heard({}, notes=[self._begun_again(call, error)])
        except RayTaskError as error:
            if isinstance(error.cause, AllowanceError):
                self._let_land()
            raise
        else:
            count(done.stage_counters)
            if done.reports:
                count_committed(len(done.reports), operator=self._operators[-1].name)
            yield Heard(done.stage_counters, notes=done.notes, workers=self._workers(), working=self._working())
            yield from (Heard({}, report) for report in done.reports)
            self._pass_on(call, done)

    def _let_land(self) -> None:
        """Wait until what services are asked just now has come back and is kept: it is paid for."""
        paid = [ref for ref, call in self._calls.items() if self._operators[call.tasks[0].step].cost == 2]
        if paid:
            ray.wait(paid, num_returns=len(paid), timeout=_LANDING_SECONDS)

    def _pass_on(self, call: _Call, done: Done) -> None:
        sent = iter(call.sent)
        for task, left, parcel, blobs in zip(call.tasks, done.slices, sent, sent, strict=True):
            if task.journal:
                task.journal.close()
            self._bytes -= task.bytes
            self._measured = True
            if done.reports:
                continue
            step = task.step + 1 if left.records else len(self._pools) - 1  # what has ended has only to be written
            kept = [*task.blobs[: left.known], *([blobs] if left.adds else [])]
            after = _Task(task.job, step, parcel, kept, left.records, left.bytes)
            self._bytes += left.bytes
            self._widest = max(self._widest, left.bytes)
            self._pools[step].waiting.append(after)

    def _bury(self, call: _Call, error: Exception) -> None:
        """Replace a worker that died, and try its slices again, each alone; the third time with care.

        With care the worker tells each record before it tries it, so that the one it told last is
        what killed it. That one is failed untried from then on, and the slice goes on without it.
        Where memory ran out, Ray ends workers that did nothing wrong too: their slices are tried
        with care at once, and while no other worker is at anything.
        """
        pool = self._pools[call.tasks[0].step]
        hungry = _ran_out_of_memory(error)
        if call.seat.actor is call.actor:
            ray.kill(call.actor)  # one that cannot be reached may still be there
            self._replace(call.seat, pool)
        for task in reversed(call.tasks):
            if task.journal is not None:
                self._accuse(task, error)
            elif task.attempt > 1 or hungry:
                task.journal = Journal.new(Store(self._place.address))
            task.attempt += 1
            (self._suspects if hungry or task.hungry else pool.waiting).appendleft(task)

    def _replace(self, seat: _Seat, pool: _Pool) -> None:
        """Put a new worker in the seat; if a machine is gone and its cores with it, none, or one that reserves none."""
        self._has = machines()
        seats = [len(other.seats) for other in self._pools]
        fits = taken(self._operators, seats, "cpus") * self._shrink <= self._has.cpus + 1e-6
        if fits or len(pool.seats) == 1:
            seat.actor = pool.make(fits)
            return
        pool.seats.remove(seat)
        pool.share = min(pool.share, len(pool.seats))
        seat.actor = None

    def _accuse(self, task: _Task, error: Exception) -> None:
        assert task.journal is not None
        tried, seconds = task.journal.last()
        what = str(error).splitlines()[0]
        if tried is None or tried in task.killers:
            task.lost += 1
            if task.lost >= _MOST_LOST:
                raise DatagenError(
                    f"workers die before they reach a record, or while they store samples: {what}; what is "
                    "committed stays, and the same command goes on, with fewer `replicas` or more memory perhaps"
                )
            return
        if _ran_out_of_memory(error) and task.hungry != tried:
            task.hungry = tried
            return
        limit = self._limit_of(tried[0])
        if limit and seconds >= limit:
            what = f"took longer than {limit:g} s, its `resources.timeout_s`"
        task.killers[tried] = f"killed its worker, {task.attempt} times in all: {what}"

    def _limit_of(self, stage: str) -> float | None:
        nodes = (node for operator in self._operators for node in operator.nodes)
        return next((node.resources.timeout_s for node in nodes if node.id == stage), None)

    def _begun_again(self, call: _Call, error: Exception) -> str:
        """Begin slices anew whose data was lost with a machine; durable stages know their answers."""
        for task in call.tasks:
            self._bytes -= task.bytes
            attempt = task.attempt + 1
            if attempt > _MOST_LOST:
                raise DatagenError(f"slice {task.job.slice.name} was lost {task.attempt} times: {error}")
            self._pools[0].waiting.appendleft(_Task(task.job, attempt=attempt))
        return f"{len(call.tasks)} slices begin again: their data was lost with a machine"

    def _feed(self) -> None:
        """Give waiting slices to workers, those nearest their end first; a suspect alone."""
        if self._suspects:
            if not self._calls:
                task = self._suspects.popleft()
                self._submit([task], self._pools[task.step].seats[0])
            return
        for step in reversed(range(len(self._pools))):
            while self._is_due(step) and (seat := self._seat(self._pools[step])):
                self._submit(self._pools[step].bundle(), seat)

    def _is_due(self, step: int) -> bool:
        """Whether a slice waits for this pool, and the next one is not overfed."""
        pool = self._pools[step]
        if step + 1 < len(self._pools) and self._pools[step + 1].is_fed():
            return bool(pool.waiting) and pool.waiting[0].attempt > 1
        if step == 0:
            self._cut()
        return bool(pool.waiting)

    def _cut(self) -> None:
        """Let new slices in, if there is room for them: one, or as many as fill the batches of a call."""
        pool = self._pools[0]
        if pool.free_seat() is None and not self._may_add(pool):
            return
        wanted = _BATCHES * pool.operator.batch if pool.fills else 1
        while sum(task.records for task in pool.waiting) < wanted:
            on_the_way = len(self._calls) + len(pool.waiting)
            if on_the_way and self._bytes + self._widest * (on_the_way + 1) > self._budget:
                return
            if not self._measured and on_the_way >= pool.share:
                return
            if (job := next(self._jobs, None)) is None:
                return
            pool.waiting.append(_Task(job, records=max(1, len(job.slice.rows))))

    def _seat(self, pool: _Pool) -> _Seat | None:
        """A seat for the next call: one that is idle, a new one, or one with room."""
        seat = pool.free_seat()
        if (seat is None or seat.calls) and self._may_add(pool):
            seat = _Seat(pool.make(True))
            pool.seats.append(seat)
        return seat

    def _may_add(self, pool: _Pool) -> bool:
        """Whether the pool may grow: within its share, into what is free, or in the place of another's idle worker."""
        workers = len(pool.seats)
        if workers >= most_workers(pool.operator, self._has):
            return False
        if workers < pool.share:
            return True
        if not (pool.operator.cpus or pool.operator.gpus):
            return all(seat.calls >= pool.room for seat in pool.seats)
        return self._fits(pool) or (self._retire_one(pool) and self._fits(pool))

    def _fits(self, pool: _Pool) -> bool:
        counts = [max(other.share, len(other.seats)) + (other is pool) for other in self._pools]
        return fit_within(self._operators, counts, self._has)

    def _retire_one(self, needy: _Pool) -> bool:
        """End a worker that has long been idle in a pool with nothing waiting, above that pool's minimum."""
        now = time.monotonic()
        for pool in self._pools:
            if pool is needy or pool.waiting or max(len(pool.seats), pool.share) <= pool.operator.replicas.min:
                continue
            idle = [seat for seat in pool.seats if not seat.calls and now - seat.idle_since > _IDLE_SECONDS]
            if not idle:
                continue
            if len(pool.seats) > pool.operator.replicas.min:
                pool.seats.remove(idle[0])
                ray.kill(idle[0].actor)
            pool.share = max(pool.operator.replicas.min, len(pool.seats))
            return True
        return False

    def _submit(self, tasks: list[_Task], seat: _Seat) -> None:
        first = tasks[0]
        seat.calls += 1
        works = [part for task in tasks for part in (task.work or task.job, *task.blobs)]
        name = f"{self._pools[first.step].operator.name}: {', '.join(task.job.slice.name for task in tasks)}"
        run = seat.actor.run.options(num_returns=2 * len(tasks) + 1, name=name[:200])
        groups = [len(task.blobs) for task in tasks]
        journal = first.journal.name if first.journal else ""
        *sent, done = run.remote(first.attempt, journal, first.killers, groups, *works)
        self._calls[done] = _Call(tasks, seat, seat.actor, sent)


def _ran_out_of_memory(error: Exception) -> bool:
    """Whether Ray ended the worker because its machine was short of memory; of an actor only the text says so."""
    return isinstance(error, OutOfMemoryError) or "running low on memory" in str(error)
