"""The scheduler of the Ray engine: sends slices through operators, which pools of actors run.

Each operator has a queue of slices and a pool of workers, which the rounds of a repeat block share. The way of a slice:

1. `_admit_slices` takes a job from the slice queue and appends it, as a `_Task`, to the queue of the first operator.
2. `_dispatch` gives waiting tasks to workers: `_Queue.take_tasks` chooses the tasks of one call, `_acquire_slot` the
   worker, and `_submit` makes the call. A `_Call` remembers what was submitted.
3. `run` waits for any call to end, and `_handle_result` reads what it reports.
4. `_forward` appends each of its slices to the queue of the next operator that has work for one of its records, or of
   the last one.
5. The actors of the last operator commit. Their reports leave `run` as events.

The driver handles references only. Parcels and pixels stay in Ray's object store and go from actor to actor.

Two rules bound the memory. An operator is given no work while a next one has enough (`_Queue.has_enough_work`), and
no new slice is admitted while those in flight fill their share of the object store (`_admit_slices`).

No operator can block another for ever, also where they share a pool: a call waits for no other call, and the last
queue that has slices is never held up, as nothing waits behind it. Of a shared pool the later rounds are served first,
so that slices leave before new ones come; a round with less than a batch waits while an earlier one can fill a batch.

If a worker dies, `_handle_death` replaces it and tries its slices again. A slice whose worker died twice runs record by
record under a crash journal, so that the record at fault is found and fails alone. Slices whose workers ran out of
memory wait in `_suspects`, and run while nothing else does.

The pools are our own instead of a chain of Ray Data operators: on operators that do nothing they are 6.0 times as fast,
and Ray Data does not say which record killed a worker (docs/architecture.md, docs/compare.md).
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
from datagen.execute.engines.actors import CallResult, Killers, actor_factory, max_concurrent_calls
from datagen.execute.engines.cluster import (
    check_raylet_is_alive,
    fair_shares,
    fit_within,
    machines,
    most_workers,
    reserved,
)
from datagen.execute.engines.metrics import PoolState, export_committed, export_pools, export_stage_counters
from datagen.execute.engines.progress_events import EngineEvent
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.crash_journal import CrashJournal
from datagen.execute.workers.operators import WRITE, Operator, plan_pools
from datagen.execute.workers.slices import Job
from datagen.execute.workers.worker import WorkerContext
from datagen.storage.store import Store

DEATHS = (RayActorError, OutOfMemoryError, WorkerCrashedError, NodeDiedError)
"""Errors of a call whose worker died."""

_QUEUED = 1
"""Calls that an actor has queued beside those that it runs, so that it does not wait for the next one."""
_BATCHES = 4
"""Batches that one call fills from several slices. With several, the last batch, which may stay partly empty, is a
small part of the call."""
_BUNDLE_BYTES = 16e6
"""A call takes no further slice beyond this size, so that its memory stays small."""
_STORE_SHARE = 0.3
"""Share of Ray's object store that slices in flight may fill, if no limit in MB is given."""
_IDLE_SECONDS = 2.0
"""A worker that was idle for so long may be ended in favour of a pool that has too much work."""
_CHECK_SECONDS = 2.0
"""Interval at which the driver checks that Ray is alive, and exports the state of the pools."""
_PAID_CALLS_SECONDS = 120.0
"""How long a run that has to end waits for calls to services that are in flight."""
_MAX_LOSSES = 5
"""How often a slice's worker may die without a record to blame, or its data be lost, before the run ends."""


@dataclass
class _Task:
    """A slice that waits for one operator, or is being run by it."""

    job: Job
    step: int = 0
    """The operator's place among those that a slice goes through."""
    work: Any = None
    """Reference to the parcel that the operator before made; None at the first operator."""
    blobs: list[Any] = field(default_factory=list)
    """References to the parcel's blob groups. Each operator adds its own; those of earlier operators are not copied."""
    records: int = 0
    """Records for which the operator has work."""
    bytes: int = 0
    attempt: int = 1
    """Counts from 1. Above 1 the slice is never put into one call with others."""
    journal: CrashJournal | None = None
    """Set if the slice runs record by record."""
    killers: Killers = field(default_factory=dict)
    losses: int = 0
    """How often its worker died, under the journal, without a new record to blame."""
    out_of_memory_at: tuple[str, str] | None = None
    """Stage and record at which its worker ran out of memory once, though it ran alone; blamed the second time."""


@dataclass
class _Slot:
    """One worker of a pool. If the worker dies, another takes its slot."""

    actor: Any
    calls: int = 0
    """Calls that the worker runs or has queued."""
    reserves: bool = True
    """Whether the worker reserves its pool's cores."""
    has_answered: bool = False
    """Whether a call of the worker came back, so that it has its cores."""
    idle_since: float = field(default_factory=time.monotonic)


@dataclass
class _Call:
    """A call in flight: the slices that one worker was given together."""

    tasks: list[_Task]
    slot: _Slot
    actor: Any
    """The worker of the call; the slot may have another one by now."""
    results: list[Any]
    """References to the results: for each slice its parcel, and the blob group that the operator adds."""


class _Pool:
    """The workers of one operator, or of several that are rounds of a repeat block; `operator` has all their stages.

    `make` makes a worker (see `actor_factory`), `share` is the number of workers that the pool is entitled to.
    """

    def __init__(self, operator: Operator, make: Callable[[bool], Any], share: int) -> None:
        self.operator = operator
        self.make = make
        self.share = share
        self.slots = [_Slot(make(True)) for _ in range(operator.replicas.min)]
        self.queues: list[_Queue] = []
        """One for each of its operators; a queue enters itself."""
        self.max_calls = max_concurrent_calls(operator) + _QUEUED

    @property
    def fills_batches(self) -> bool:
        """Whether one call takes several slices to fill its batches.

        True for GPU stages and for stages that reserve less than a core. Stages that call a service need no batches:
        their workers run several calls at once (`max_concurrent_calls`).
        """
        return self.operator.cost == 1 or (self.operator.cost == 0 and self.operator.waits)

    @property
    def has_work(self) -> bool:
        """Whether a slice waits for one of its operators."""
        return any(queue.waiting for queue in self.queues)

    def free_slot(self) -> _Slot | None:
        """The slot with the fewest calls; None if even that one has as many as it may."""
        slot = min(self.slots, key=lambda slot: slot.calls)
        return slot if slot.calls < self.max_calls else None


class _Queue:
    """The slices that wait for one operator, the one at `step`, and for a worker of its pool."""

    def __init__(self, step: int, operator: Operator, pool: _Pool) -> None:
        self.step = step
        self.operator = operator
        self.pool = pool
        self.waiting: deque[_Task] = deque()
        self.next: list[_Queue] = []
        """Where its slices may go: the next operator, and those behind it that they reach by skipping others."""
        pool.queues.append(self)

    @property
    def _batches(self) -> float:
        """Batches that the records in the queue fill."""
        return sum(task.records for task in self.waiting) / self.operator.batch

    @property
    def _bundles(self) -> float:
        """Calls of the largest size that the slices in the queue fill."""
        return sum(task.bytes for task in self.waiting) / _BUNDLE_BYTES

    def has_enough_work(self) -> bool:
        """Whether the queue is long enough, so that the operator before need not add to it.

        It is, with two rounds of slices for each worker; if batches are filled across slices, also with two full calls
        (in records or in bytes) for each worker. A filter before a GPU stage may leave few records in each slice, so
        that a number of slices alone would starve the GPU.
        """
        workers = len(self.pool.slots)
        if len(self.waiting) < 2 * self.pool.max_calls * workers:
            return False
        if not self.pool.fills_batches:
            return True
        return max(self._batches / _BATCHES, self._bundles) >= 2 * workers

    def is_waiting(self) -> bool:
        """Whether a slice waits."""
        return bool(self.waiting)

    def is_worth_a_call(self) -> bool:
        """Whether a slice waits, and in a pool of several rounds enough of them to fill a batch.

        The condition `until` may leave few records for later rounds. Taken one by one they would make the earlier
        rounds wait for batches that are all but empty.
        """
        if not self.waiting or not self.pool.fills_batches or len(self.pool.queues) == 1:
            return bool(self.waiting)
        return self.waiting[0].attempt > 1 or max(self._batches, self._bundles) >= 1

    def take_tasks(self) -> list[_Task]:
        """Remove from the queue the slices of the next call: one, or enough of them to fill its batches.

        A slice that is tried again gets a call of its own, so that a further death says something about it alone.
        """
        first = self.waiting.popleft()
        found = [first]
        if not self.pool.fills_batches:
            return found
        records, size = first.records, first.bytes
        fair = -(-len(self.waiting) // len(self.pool.slots))  # rounded up: leave other workers their part of the queue
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
    """Sends slices through `operators`, run by pools of workers; the last one commits with `committer`.

    `in_flight_mb` limits the size of slices in flight in MB; by default it is a share of Ray's object store.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        committer: Committer,
        worker_context: WorkerContext,
        jobs: Iterable[Job],
        in_flight_mb: float | None,
    ) -> None:
        self._jobs = iter(jobs)
        self._machines = machines()
        plans = plan_pools(operators)
        self._pooled = [plan.operator for plan in plans]
        """By pool, all its stages as one operator."""
        counts = fair_shares(self._pooled, self._machines)
        self._cpu_scale = min(1.0, self._machines.cpus / max(reserved(self._pooled, counts, "cpus"), 1e-9))
        passages = [operator.passage for operator in operators]
        last = len(operators) - 1
        self._pools = [
            _Pool(
                plan.operator,
                actor_factory(
                    plan.operator,
                    passages=passages,
                    committer=committer if last in plan.steps else None,
                    worker_context=worker_context,
                    cpu_scale=self._cpu_scale,
                ),
                share,
            )
            for plan, share in zip(plans, counts, strict=True)
        ]
        by_step = {step: pool for plan, pool in zip(plans, self._pools, strict=True) for step in plan.steps}
        self._queues = [_Queue(step, operator, by_step[step]) for step, operator in enumerate(operators)]
        for queue in self._queues:
            for after in self._queues[queue.step + 1 :]:
                queue.next.append(after)
                if not passages[after.step].is_conditional:
                    break
        self._worker_context = worker_context
        self._calls: dict[Any, _Call] = {}
        self._suspects: deque[_Task] = deque()
        """Slices whose workers ran out of memory, or were ended for the memory of another. Each is tried alone."""
        self._budget = in_flight_mb * 1e6 if in_flight_mb else self._machines.store_bytes * _STORE_SHARE
        self._bytes = 0
        """Size of all parcels in flight."""
        self._largest_bytes = 0
        """Size of the largest parcel so far: what an admitted slice may grow to."""
        self._measured = False
        """Whether a slice has come back from its first operator, so that `_largest_bytes` means something."""
        self._checked_at = time.monotonic()

    def run(self) -> Iterator[EngineEvent]:
        """Run all slices; yields events as they happen. A slice's report comes when it is committed.

        Raises `SetupError` and the like from workers as `RayTaskError`, and `DatagenError` if Ray died or slices are
        lost too often. All workers are ended at the end, also after an error.
        """
        try:
            self._dispatch()
            while self._calls:
                ready, _ = ray.wait(list(self._calls), num_returns=1, timeout=_IDLE_SECONDS)
                self._check_health()  # raises if Ray is gone: `ray.wait` alone would go on for ever
                for ref in ready:
                    yield from self._handle_result(self._calls.pop(ref), ref)
                self._dispatch()
                if not ready:  # an event all the same, so that the display goes on and counts busy workers
                    yield EngineEvent({}, workers=self._workers(), working=self._working())
        finally:
            self._stop_workers()

    def _stop_workers(self) -> None:
        """End all workers, so that their cores are free for packing."""
        self._export()
        for slot in (slot for pool in self._pools for slot in pool.slots):
            ray.kill(slot.actor)

    def _check_health(self) -> None:
        """Every `_CHECK_SECONDS`, check that Ray is alive and that no worker waits in vain; export the pools' state."""
        if time.monotonic() - self._checked_at > _CHECK_SECONDS:
            check_raylet_is_alive()
            self._end_stranded_workers()
            self._export()
            self._checked_at = time.monotonic()

    def _end_stranded_workers(self) -> None:
        """End workers that wait for cores which are gone, so that their calls fail and are made elsewhere.

        A worker that is not placed yet when its machine goes does not die: Ray waits for other cores, for ever.
        """
        reserving = [sum(slot.reserves for slot in pool.slots) for pool in self._pools]
        if reserved(self._pooled, reserving, "cpus") * self._cpu_scale <= machines().cpus + 1e-6:
            return
        for slot in (slot for pool in self._pools for slot in pool.slots):
            if slot.reserves and not slot.has_answered and slot.calls:
                ray.kill(slot.actor)

    def _workers(self) -> dict[str, int]:
        """Number of workers by stage."""
        found = {node.id: len(pool.slots) for pool in self._pools for node in pool.operator.nodes}
        return {**found, WRITE: len(self._queues[-1].pool.slots)}

    def _working(self) -> dict[str, float]:
        """Share of each stage's workers that have a call, 0 to 1; without stages that wait for a service.

        A worker with calls of several rounds counts in part for each of them.
        """
        shares = [0.0] * len(self._queues)
        for call in self._calls.values():
            queue = self._queues[call.tasks[0].step]
            if call.slot.actor is not None:
                shares[queue.step] += 1 / (call.slot.calls * len(queue.pool.slots))
        found: dict[str, float] = {}
        for queue in self._queues:
            stages = [*queue.operator.stages, *([WRITE] if queue is self._queues[-1] else [])]
            found |= dict.fromkeys(stages, min(1.0, shares[queue.step])) if queue.operator.cost < 2 else {}
        return found

    def _export(self) -> None:
        """Export the state of the pools to Ray's metrics."""
        working = Counter(task.step for call in self._calls.values() for task in call.tasks)
        export_pools(
            PoolState(queue.operator.name, len(queue.pool.slots), len(queue.waiting), working[queue.step])
            for queue in self._queues
        )

    def _handle_result(self, call: _Call, ref: Any) -> Iterator[EngineEvent]:
        """Read the result of a call that ended, and decide what becomes of its slices."""
        call.slot.calls -= 1
        call.slot.idle_since = time.monotonic()
        try:
            done: CallResult = ray.get(ref)
        except DEATHS as error:
            self._handle_death(call, error)
        except ObjectLostError as error:
            yield EngineEvent({}, notes=[self._restart_slices(call, error)])
        except RayTaskError as error:
            if isinstance(error.cause, AllowanceError):
                self._await_paid_calls()
            raise
        else:
            call.slot.has_answered = call.slot.has_answered or call.slot.actor is call.actor
            export_stage_counters(done.stage_counters)
            if done.reports:
                export_committed(len(done.reports), operator=self._queues[-1].operator.name)
            yield EngineEvent(done.stage_counters, notes=done.notes, workers=self._workers(), working=self._working())
            yield from (EngineEvent({}, report) for report in done.reports)
            self._forward(call, done)

    def _await_paid_calls(self) -> None:
        """Wait until the calls to services in flight have come back and their answers are stored: they are paid for."""
        paid = [ref for ref, call in self._calls.items() if self._queues[call.tasks[0].step].operator.cost == 2]
        if paid:
            ray.wait(paid, num_returns=len(paid), timeout=_PAID_CALLS_SECONDS)

    def _forward(self, call: _Call, done: CallResult) -> None:
        """Append the slices of a finished call to the queues of their next operators."""
        results = iter(call.results)
        for task, output, parcel, blobs in zip(call.tasks, done.slices, results, results, strict=True):
            if task.journal:
                task.journal.close()
            self._bytes -= task.bytes
            self._measured = True
            if done.reports:
                continue
            all_blobs = [*task.blobs[: output.known], *([blobs] if output.adds else [])]
            after = _Task(task.job, output.step, parcel, all_blobs, output.records, output.bytes)
            self._bytes += output.bytes
            self._largest_bytes = max(self._largest_bytes, output.bytes)
            self._queues[output.step].waiting.append(after)

    def _handle_death(self, call: _Call, error: Exception) -> None:
        """Replace a worker that died, and try its slices again, each in a call of its own.

        The third attempt of a slice runs record by record. Its worker writes each record to the crash journal before it
        tries it, so the last one in the journal is the record at fault. That record fails untried from then on, and the
        slice goes on without it. This takes one more death; bisection of 64 records would take six.

        If memory ran out, Ray's memory monitor ends several workers, whichever of them took the memory. So no record is
        blamed for its neighbours: these slices get a journal at once, and each runs while nothing else does.
        """
        queue = self._queues[call.tasks[0].step]
        out_of_memory = _ran_out_of_memory(error)
        if call.slot.actor is call.actor:
            ray.kill(call.actor)  # one that cannot be reached may still be there
            self._replace_worker(call.slot, queue.pool)
        for task in reversed(call.tasks):  # each goes to the front of the queue, so the first one has to be last
            if task.journal is not None:
                self._blame_record(task, error)
            elif task.attempt > 1 or out_of_memory:
                task.journal = CrashJournal.new(Store(self._worker_context.address))
            task.attempt += 1
            (self._suspects if out_of_memory or task.out_of_memory_at else queue.waiting).appendleft(task)

    def _replace_worker(self, slot: _Slot, pool: _Pool) -> None:
        """Put a new worker into the slot.

        If a machine is gone and the remaining cores are too few, the slot is removed instead. The last worker of a pool
        is then replaced by one that reserves no core, as it would otherwise wait for a core for ever.
        """
        self._machines = machines()
        slots = [len(other.slots) for other in self._pools]
        fits = reserved(self._pooled, slots, "cpus") * self._cpu_scale <= self._machines.cpus + 1e-6
        if fits or len(pool.slots) == 1:
            slot.actor, slot.reserves, slot.has_answered = pool.make(fits), fits, False
            return
        pool.slots.remove(slot)
        pool.share = min(pool.share, len(pool.slots))
        slot.actor = None

    def _blame_record(self, task: _Task, error: Exception) -> None:
        """Blame the last record in the journal of a slice whose worker died. Raises `DatagenError` after too many."""
        assert task.journal is not None
        tried, seconds = task.journal.last()
        what = str(error).splitlines()[0]
        if tried is None or tried in task.killers:  # died elsewhere: as it started, or while it stored samples
            task.losses += 1
            if task.losses >= _MAX_LOSSES:
                raise DatagenError(
                    f"workers die before they reach a record, or while they store samples: {what}; what is "
                    "committed stays, and the same command goes on, with fewer `replicas` or more memory perhaps"
                )
            return
        if _ran_out_of_memory(error) and task.out_of_memory_at != tried:
            task.out_of_memory_at = tried  # blamed if it happens again
            return
        # A call that hangs ends its process too (`exit_on_timeout`); Ray reports that like any other death.
        limit = self._time_limit_of(tried[0])
        if limit and seconds >= limit:
            what = f"took longer than {limit:g} s, its `resources.timeout_s`"
        task.killers[tried] = f"killed its worker, {task.attempt} times in all: {what}"

    def _time_limit_of(self, stage: str) -> float | None:
        nodes = (node for operator in self._pooled for node in operator.nodes)
        return next((node.resources.timeout_s for node in nodes if node.id == stage), None)

    def _restart_slices(self, call: _Call, error: Exception) -> str:
        """Start slices again from the source whose data was lost with a machine. Durable stages reuse their answers.

        Returns a message for the user.
        """
        for task in call.tasks:
            self._bytes -= task.bytes
            attempt = task.attempt + 1
            if attempt > _MAX_LOSSES:
                raise DatagenError(f"slice {task.job.slice.name} was lost {task.attempt} times: {error}")
            self._queues[0].waiting.appendleft(_Task(task.job, attempt=attempt))
        return f"{len(call.tasks)} slices begin again: their data was lost with a machine"

    def _dispatch(self) -> None:
        """Give waiting slices to workers. A suspect runs alone.

        Queues are served from the last to the first, so that slices that are nearly done go first; those that would not
        fill a batch of a pool that they share come after all others.
        """
        if self._suspects:
            if not self._calls:
                task = self._suspects.popleft()
                self._submit([task], self._queues[task.step].pool.slots[0])
            return
        for is_due in (_Queue.is_worth_a_call, _Queue.is_waiting):
            for queue in reversed(self._queues):
                while self._may_work(queue) and is_due(queue) and (slot := self._acquire_slot(queue.pool)):
                    self._submit(queue.take_tasks(), slot)

    def _may_work(self, queue: _Queue) -> bool:
        """Whether a slice waits for this operator, and no operator to which it may go next has enough work."""
        if any(after.has_enough_work() for after in queue.next):
            return bool(queue.waiting) and queue.waiting[0].attempt > 1  # one that is tried again does not wait
        if queue.step == 0:
            self._admit_slices()
        return bool(queue.waiting)

    def _admit_slices(self) -> None:
        """Append new slices to the first queue: one, or as many as fill the batches of a call.

        The limit in bytes assumes that each slice in flight grows to the largest parcel so far. While no slice has come
        back, that size is unknown: then no more slices are admitted than the pool is entitled to workers. If nothing is
        in flight, one slice is always admitted, however large it is, or the run would never end.
        """
        queue = self._queues[0]
        pool = queue.pool
        if pool.free_slot() is None and not self._may_add(pool):
            return
        wanted = _BATCHES * queue.operator.batch if pool.fills_batches else 1
        while sum(task.records for task in queue.waiting) < wanted:
            on_the_way = len(self._calls) + len(queue.waiting)
            if on_the_way and self._bytes + self._largest_bytes * (on_the_way + 1) > self._budget:
                return
            if not self._measured and on_the_way >= pool.share:
                return
            if (job := next(self._jobs, None)) is None:
                return
            queue.waiting.append(_Task(job, records=max(1, len(job.slice.rows))))

    def _acquire_slot(self, pool: _Pool) -> _Slot | None:
        """The slot for the next call: an idle worker, else a new one, else one that may queue it; None if none may."""
        slot = pool.free_slot()
        if (slot is None or slot.calls) and self._may_add(pool):
            slot = _Slot(pool.make(True))
            pool.slots.append(slot)
        return slot

    def _may_add(self, pool: _Pool) -> bool:
        """Whether the pool may grow: within its share, into free cores, or in the place of an idle worker elsewhere."""
        workers = len(pool.slots)
        if workers >= most_workers(pool.operator, self._machines):
            return False
        if workers < pool.share:
            return True
        if not (pool.operator.cpus or pool.operator.gpus):  # nothing to share out: it grows when all workers are full
            return all(slot.calls >= pool.max_calls for slot in pool.slots)
        return self._has_room_for(pool) or (self._retire_idle_worker(pool) and self._has_room_for(pool))

    def _has_room_for(self, pool: _Pool) -> bool:
        """Whether one more worker fits, beside those that other pools have or are entitled to."""
        counts = [max(other.share, len(other.slots)) + (other is pool) for other in self._pools]
        return fit_within(self._pooled, counts, self._machines)

    def _retire_idle_worker(self, needy: _Pool) -> bool:
        """End an idle worker of a pool other than `needy` that has no work and more workers than its minimum.

        The pool loses that part of its share too. Returns whether a pool gave something up.
        """
        now = time.monotonic()
        for pool in self._pools:
            if pool is needy or pool.has_work or max(len(pool.slots), pool.share) <= pool.operator.replicas.min:
                continue
            idle = [slot for slot in pool.slots if not slot.calls and now - slot.idle_since > _IDLE_SECONDS]
            if not idle:
                continue
            if len(pool.slots) > pool.operator.replicas.min:
                pool.slots.remove(idle[0])
                ray.kill(idle[0].actor)
            pool.share = max(pool.operator.replicas.min, len(pool.slots))
            return True
        return False

    def _submit(self, tasks: list[_Task], slot: _Slot) -> None:
        """Call the worker of a slot with the slices of `tasks`; see `Actor.run` for the layout of the arguments."""
        first = tasks[0]
        slot.calls += 1
        works = [part for task in tasks for part in (task.work or task.job, *task.blobs)]
        name = f"{self._queues[first.step].operator.name}: {', '.join(task.job.slice.name for task in tasks)}"
        run = slot.actor.run.options(num_returns=2 * len(tasks) + 1, name=name[:200])  # the name in Ray's dashboard
        groups = [len(task.blobs) for task in tasks]
        journal = first.journal.name if first.journal else ""
        *results, done = run.remote(first.step, first.attempt, journal, first.killers, groups, *works)
        self._calls[done] = _Call(tasks, slot, slot.actor, results)


def _ran_out_of_memory(error: Exception) -> bool:
    """Whether Ray ended the worker because its machine was short of memory; for an actor only the text says so."""
    return isinstance(error, OutOfMemoryError) or "running low on memory" in str(error)
