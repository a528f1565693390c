"""Stages fused into operators, each the work of one pool of workers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from datagen.core.fields import Field
from datagen.pipeline.config import Replicas
from datagen.pipeline.graph_model import Graph, Node


@dataclass(frozen=True)
class Operator:
    """Consecutive stages that run in one worker."""

    nodes: tuple[Node, ...]
    """None where it only writes what others made."""
    catalogue: Mapping[str, Field]
    seed: int

    @property
    def name(self) -> str:
        """Its stages, or the first and the last of more than three; without dots, after which Ray would cut it."""
        ids = [node.id for node in self.nodes] or [WRITE]
        return "+".join(ids) if len(ids) <= 3 else f"{ids[0]} to {ids[-1]}"

    @property
    def first(self) -> str:
        """Its first stage."""
        return self.nodes[0].id if self.nodes else WRITE

    @property
    def origin(self) -> str:
        """Where its first stage stands in the config."""
        return self.nodes[0].origin if self.nodes else ""

    @property
    def cost(self) -> int:
        """0 if it works on a core, 1 if on a GPU, 2 if it waits for a service."""
        return max((node.cost for node in self.nodes), default=0)

    @property
    def cpus(self) -> float:
        """Cores that a worker reserves; none where it waits for a GPU or a service."""
        needs = [node.resources.cpus for node in self.nodes]
        usual = 0.0 if self.cost else 1.0 if self.nodes else _WRITING
        return max((usual if cpus is None else cpus for cpus in needs), default=usual)

    @property
    def gpus(self) -> float:
        """GPUs that a worker reserves."""
        return max((node.resources.gpus for node in self.nodes), default=0.0)

    @property
    def replicas(self) -> Replicas:
        """Workers, as the config says."""
        return self.nodes[0].resources.replicas if self.nodes else Replicas()

    @property
    def batch(self) -> int:
        """Records that its widest stage takes at once: a batch, or the calls in flight."""
        return max(
            (node.resources.concurrency if node.cost == 2 else node.resources.batch_size for node in self.nodes),
            default=1,
        )

    @property
    def waits(self) -> bool:
        """Whether its workers wait for something else than a core, so that they are to have more than one slice."""
        return self.cost > 0 or self.cpus < 1

    @property
    def device(self) -> str:
        """Where its models are loaded."""
        return "cuda" if self.gpus else "cpu"

    @property
    def threads(self) -> int:
        """Threads that a library in the worker may use."""
        return max(1, math.floor(self.cpus))


_WRITING = 0.01
"""Cores that storing samples reserves, where it stands alone: it works now and then, and has no core to itself."""
WRITE = "write"
"""Name of the operator that only stores samples."""


def fuse(graph: Graph) -> tuple[Operator, ...]:
    """Neighbouring stages that only need cores become one operator; any other stage stands alone.

    The last operator also stores the samples; after a GPU or a service, which should not wait for that,
    it is one of its own.
    """
    groups: list[list[Node]] = []
    for node in graph.nodes:
        if groups and _alike(groups[-1][-1], node):
            groups[-1].append(node)
        else:
            groups.append([node])
    if groups[-1][-1].cost:
        groups.append([])
    return tuple(_operator(graph, group) for group in groups)


def _alike(one: Node, other: Node) -> bool:
    same = one.resources.cpus == other.resources.cpus and one.resources.replicas == other.resources.replicas
    return one.cost == other.cost == 0 and same


def _operator(graph: Graph, nodes: Iterable[Node]) -> Operator:
    return Operator(tuple(nodes), graph.catalogue, graph.loaded.pipeline.seed)
