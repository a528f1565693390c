"""Runs the stages of one operator over slices. Both engines use this class."""

from __future__ import annotations

import getpass
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from filelock import FileLock

from datagen.core.redact import register_variables
from datagen.core.stage import AsyncMap, Combine, Expand, Map, Runtime
from datagen.execute.ledger.stage_counters import CountersByStage
from datagen.execute.reuse.answer_cache import REPLIES, AnswerCache
from datagen.execute.workers.async_runner import AsyncRunner
from datagen.execute.workers.expand_combine import CombineRunner, ExpandRunner
from datagen.execute.workers.operators import Operator
from datagen.execute.workers.stage_runner import CrashIsolation, StageRunner
from datagen.execute.workers.state import SliceState
from datagen.execute.workers.timeouts import TimeLimit, raise_on_timeout
from datagen.pipeline.graph_model import Node
from datagen.storage.store import Store


@dataclass(frozen=True)
class WorkerContext:
    """What the workers of a run have in common. It can be pickled."""

    address: str
    """Address of OUT."""
    stage_fingerprints: Mapping[str, str]
    """Fingerprint by stage."""
    checksums: Mapping[str, tuple[str, ...]]
    """By stage, the fields with checksums of the files on which its answers depend."""
    token: str
    """A random name of this run."""
    secret_variables: frozenset[str] = frozenset()
    """Environment variables whose values are redacted, see `datagen.core.redact`."""
    cluster: bool = False
    """Whether workers are processes of their own, on Ray."""

    @property
    def runtime(self) -> Runtime:
        """The part of it that stages may use."""
        return Runtime(run=self.token, replies=f"{self.address.rstrip('/')}/{REPLIES}", cluster=self.cluster)


class Worker:
    """The stages of an operator, each set up when it is first called. Rounds of one repeated stage are set up once.

    `limit` ends calls that take too long.
    """

    def __init__(
        self, operator: Operator, worker_context: WorkerContext, *, limit: TimeLimit = raise_on_timeout
    ) -> None:
        cv2.setNumThreads(operator.threads)  # OpenCV's default is all cores of the machine in each worker
        cv2.ocl.setUseOpenCL(False)
        register_variables(worker_context.secret_variables)  # a worker may be a process of its own
        self.operator = operator
        self._worker_context = worker_context
        store = Store(worker_context.address)
        self._runs: list[StageRunner] = []
        firsts: dict[str, StageRunner] = {}
        for node in operator.nodes:
            answers = (
                AnswerCache(store, worker_context.stage_fingerprints[node.id], catalogue=operator.catalogue)
                if node.durable
                else None
            )
            run = _runner_of(node)(
                node,
                operator,
                answers=answers,
                checksums=worker_context.checksums[node.id],
                limit=limit,
                on_node=self._setup_on_node,
                first=firsts.get(node.entry),
            )
            firsts.setdefault(node.entry, run)
            run.stage.runtime = worker_context.runtime._replace(round=node.id if node.id != node.entry else "")
            self._runs.append(run)

    def setup(self) -> None:
        """Load the models of the stages, except those that may find all their answers stored. Raises `SetupError`.

        If a round of a repeated stage has stored answers, no round of it is set up: there may be no work for any.
        """
        stored = {run.node.entry for run in self._runs if run.has_stored_answers}
        for run in self._runs:
            if run.node.entry not in stored:
                run.setup()

    def _setup_on_node(self, run: StageRunner) -> None:
        """Do the setup that a machine needs once: one worker does it, the others wait."""
        if not run.needs_node_setup:
            return
        folder = Path(tempfile.gettempdir()) / f"datagen-{getpass.getuser()}" / self._worker_context.token
        folder.mkdir(parents=True, exist_ok=True)
        done = folder / f"{run.node.id}.done"
        with FileLock(folder / f"{run.node.id}.lock"):
            if done.exists():
                return
            run.setup_node()
            done.touch()

    def run(
        self,
        states: Sequence[SliceState],
        isolation: CrashIsolation | None = None,
        *,
        stages: Collection[str] | None = None,
    ) -> CountersByStage:
        """Run slices through the stages with the ids `stages`, by default through all stages of the operator.

        Returns what each stage did. Changes `states`.
        """
        runs = [run for run in self._runs if stages is None or run.node.id in stages]
        return {run.node.id: run.run_slices(states, isolation=isolation) for run in runs}

    def faults(self) -> list[str]:
        """Messages about stored answers that could not be read; each is returned once."""
        found = [fault for run in self._runs if run.answers for fault in run.answers.faults]
        for run in self._runs:
            if run.answers:
                run.answers.faults.clear()
        return found

    def close(self) -> None:
        """Release what the stages started."""
        for run in reversed(self._runs):  # a first round holds what the later ones share
            run.close()


def _runner_of(node: Node) -> type[StageRunner]:
    """The runner for the kind of the node's stage."""
    kinds = {Map: StageRunner, AsyncMap: AsyncRunner, Expand: ExpandRunner, Combine: CombineRunner}
    return next(kinds[kind] for kind in kinds if issubclass(node.stage, kind))
