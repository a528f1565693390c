"""Fuses stages into operators, and says which operators share a pool of workers.

Stages that need only cores are fused, so that a CPU pipeline takes one process for each core, and fused stages share
decoded images. A GPU stage, or one that waits for a service, stands alone: its workers need other resources.

A slice goes through the operators one after another. Each has a pool of workers of its own, but the rounds of a repeat
block share one: they are the same stages, and each worker loads their models once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from datagen.core.fields import Field
from datagen.pipeline.config import Replicas
from datagen.pipeline.graph_model import Clause, Graph, Node


@dataclass(frozen=True)
class Operator:
    """Consecutive stages that run in one worker."""

    nodes: tuple[Node, ...]
    """In the order in which they run. Empty if the operator only stores samples."""
    catalogue: Mapping[str, Field]
    seed: int

    @property
    def name(self) -> str:
        """Its stages, or the first and last of more than three. It has no dots: Ray would cut the name there."""
        ids = [node.id for node in self.nodes] or [WRITE]
        return "+".join(ids) if len(ids) <= 3 else f"{ids[0]} to {ids[-1]}"

    @property
    def stages(self) -> tuple[str, ...]:
        """Ids of its stages."""
        return tuple(node.id for node in self.nodes)

    @property
    def passage(self) -> Passage:
        """What the workers of other operators know of it."""
        return Passage(self.stages, tuple(node.clauses for node in self.nodes))

    @property
    def first(self) -> str:
        """Id of its first stage."""
        return self.nodes[0].id if self.nodes else WRITE

    @property
    def origin(self) -> str:
        """File and line of its first stage in the config."""
        return self.nodes[0].origin if self.nodes else ""

    @property
    def cost(self) -> int:
        """0 if it computes on cores, 1 if on a GPU, 2 if it waits for a service."""
        return max((node.cost for node in self.nodes), default=0)

    @property
    def cpus(self) -> float:
        """Cores that a worker reserves; by default none if it waits for a GPU or a service."""
        needs = [node.resources.cpus for node in self.nodes]
        usual = 0.0 if self.cost else 1.0 if self.nodes else _WRITING
        return max((usual if cpus is None else cpus for cpus in needs), default=usual)

    @property
    def gpus(self) -> float:
        """GPUs that a worker reserves."""
        return max((node.resources.gpus for node in self.nodes), default=0.0)

    @property
    def replicas(self) -> Replicas:
        """Minimal and maximal number of workers, from the config."""
        return self.nodes[0].resources.replicas if self.nodes else Replicas()

    @property
    def batch(self) -> int:
        """Most records that one of its stages takes at once: a batch, or the calls in flight."""
        return max(
            (node.resources.concurrency if node.cost == 2 else node.resources.batch_size for node in self.nodes),
            default=1,
        )

    @property
    def waits(self) -> bool:
        """Whether its workers wait for something other than a core, so that they should have more than one slice."""
        return self.cost > 0 or self.cpus < 1

    @property
    def device(self) -> str:
        """Device on which its models are loaded: "cuda" or "cpu"."""
        return "cuda" if self.gpus else "cpu"

    @property
    def threads(self) -> int:
        """Threads that OpenCV may use in a worker."""
        return max(1, math.floor(self.cpus))


class Passage(NamedTuple):
    """An operator without its stages: light to send, and to import, for a worker that runs other ones."""

    stages: tuple[str, ...]
    """Ids of its stages."""
    conditions: tuple[tuple[Clause, ...], ...]
    """Of each stage, the conditions under which a record runs through it."""

    @property
    def is_conditional(self) -> bool:
        """Whether there may be records that meet none of its stages."""
        return bool(self.conditions) and all(self.conditions)

    def count(self, records: Iterable[Mapping[str, Any]]) -> int:
        """How many of these records meet one of its stages; all of them, if the operator only stores samples.

        If none does, the operator changes nothing: each stage that a record passes leaves it as it was for the next.
        """
        if not self.is_conditional:
            return sum(1 for _ in records)
        return sum(any(_accepts(clauses, record) for clauses in self.conditions) for record in records)


def _accepts(clauses: Iterable[Clause], record: Mapping[str, Any]) -> bool:
    return all(clause.holds(record.get(clause.field)) for clause in clauses)


class PoolPlan(NamedTuple):
    """The operators that one pool of workers runs."""

    operator: Operator
    """All their stages together; it is what the workers load, and what they reserve."""
    steps: tuple[int, ...]
    """The operators' places among those that a slice goes through, ascending."""


_WRITING = 0.01
"""Cores that an operator reserves that only stores samples: it works now and then, and needs no core to itself."""
WRITE = "write"
"""Name of the operator that only stores samples."""


def fuse(graph: Graph) -> tuple[Operator, ...]:
    """The operators of a graph, in order.

    Neighbouring stages that only need cores become one operator; any other stage stands alone. The last operator also
    stores the samples. After a GPU stage or a service, which should not wait for that, a separate operator does so.
    """
    groups: list[list[Node]] = []
    for node in graph.nodes:
        if groups and _can_fuse(groups[-1][-1], node):
            groups[-1].append(node)
        else:
            groups.append([node])
    if groups[-1][-1].cost:
        groups.append([])
    return tuple(_operator(graph, group) for group in groups)


def plan_pools(operators: Sequence[Operator]) -> tuple[PoolPlan, ...]:
    """The pools of workers for the operators that a slice goes through, in the order of their first operators.

    Operators share a pool if rounds of the same repeated stage stand in them. They then have the same resources and
    replicas: so has every round of a stage, and so have the stages that are fused with it.
    """
    groups: list[list[int]] = []
    for step, operator in enumerate(operators):
        entries = _entries(operator)
        joined = [group for group in groups if any(entries & _entries(operators[other]) for other in group)]
        groups = [group for group in groups if group not in joined]
        groups.append(sorted([*(other for group in joined for other in group), step]))
    return tuple(PoolPlan(_joined([operators[step] for step in group]), tuple(group)) for group in sorted(groups))


def _entries(operator: Operator) -> set[str]:
    return {node.entry for node in operator.nodes}


def _joined(operators: Sequence[Operator]) -> Operator:
    first, *others = operators
    return replace(first, nodes=tuple(node for one in operators for node in one.nodes)) if others else first


def _can_fuse(one: Node, other: Node) -> bool:
    same = one.resources.cpus == other.resources.cpus and one.resources.replicas == other.resources.replicas
    return one.cost == other.cost == 0 and same


def _operator(graph: Graph, nodes: Iterable[Node]) -> Operator:
    return Operator(tuple(nodes), graph.catalogue, graph.loaded.pipeline.seed)
