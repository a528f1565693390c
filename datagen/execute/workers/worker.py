"""Runs an operator's stages over slices."""

from __future__ import annotations

import getpass
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from filelock import FileLock

from datagen.core.stage import AsyncMap, Combine, Expand, Map, Runtime
from datagen.execute.ledger.stage_counters import CountersByStage
from datagen.execute.reuse.answer_cache import REPLIES, AnswerCache
from datagen.execute.workers.async_runner import AsyncRun
from datagen.execute.workers.expand_combine import CombineRun, ExpandRun
from datagen.execute.workers.operators import Operator
from datagen.execute.workers.stage_runner import Care, NodeRun
from datagen.execute.workers.state import State
from datagen.execute.workers.timeouts import Limit, interrupting
from datagen.pipeline.graph_model import Node
from datagen.storage.store import Store


@dataclass(frozen=True)
class Place:
    """Where a run keeps what its workers share."""

    address: str
    prints: Mapping[str, str]
    """Fingerprint of each stage."""
    token: str
    """Different for each run."""
    cluster: bool = False
    """Whether workers are processes of their own, on Ray."""

    @property
    def runtime(self) -> Runtime:
        """What its stages may use."""
        return Runtime(run=self.token, replies=f"{self.address.rstrip('/')}/{REPLIES}", cluster=self.cluster)


class Worker:
    """An operator's stages, each set up when it is first needed."""

    def __init__(self, operator: Operator, place: Place, *, limit: Limit = interrupting) -> None:
        cv2.setNumThreads(operator.threads)
        cv2.ocl.setUseOpenCL(False)
        self.operator = operator
        self._place = place
        store = Store(place.address)
        self._runs: list[NodeRun] = []
        for node in operator.nodes:
            kept = AnswerCache(store, place.prints[node.id], catalogue=operator.catalogue) if node.durable else None
            run = _run_of(node)(node, operator, answers=kept, limit=limit, on_node=self._setup_on_node)
            run.stage.runtime = place.runtime._replace(round=node.id if node.id != node.entry else "")
            self._runs.append(run)

    def setup(self) -> None:
        """Load the stages' models, but for those that may find all their answers kept. Raises `SetupError`."""
        for run in self._runs:
            if not run.is_known:
                run.setup()

    def _setup_on_node(self, run: NodeRun) -> None:
        """Let one worker of each machine prepare a stage, while the others wait."""
        if not run.prepares:
            return
        folder = Path(tempfile.gettempdir()) / f"datagen-{getpass.getuser()}" / self._place.token
        folder.mkdir(parents=True, exist_ok=True)
        done = folder / f"{run.node.id}.done"
        with FileLock(folder / f"{run.node.id}.lock"):
            if done.exists():
                return
            run.prepare()
            done.touch()

    def run(self, states: Sequence[State], care: Care | None = None) -> CountersByStage:
        """Run slices through all stages of this operator; what each stage did."""
        return {run.node.id: run.over(states, care=care) for run in self._runs}

    def faults(self) -> list[str]:
        """What could not be read of earlier answers, each told once."""
        found = [fault for run in self._runs if run.answers for fault in run.answers.faults]
        for run in self._runs:
            if run.answers:
                run.answers.faults.clear()
        return found

    def close(self) -> None:
        """Let go of what the stages started."""
        for run in self._runs:
            run.close()


def _run_of(node: Node) -> type[NodeRun]:
    """What runs a stage of this node's kind."""
    kinds = {Map: NodeRun, AsyncMap: AsyncRun, Expand: ExpandRun, Combine: CombineRun}
    return next(kinds[kind] for kind in kinds if issubclass(node.stage, kind))
