"""Fuses stages into operators. One pool of workers runs one operator.

Stages that need only cores are fused, so that a CPU pipeline takes one process for each core, and fused stages share
decoded images. A GPU stage, or one that waits for a service, stands alone: its workers need other resources.
"""

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
    """In the order in which they run. Empty if the operator only stores samples."""
    catalogue: Mapping[str, Field]
    seed: int

    @property
    def name(self) -> str:
        """Its stages, or the first and last of more than three. It has no dots: Ray would cut the name there."""
        ids = [node.id for node in self.nodes] or [WRITE]
        return "+".join(ids) if len(ids) <= 3 else f"{ids[0]} to {ids[-1]}"

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


def _can_fuse(one: Node, other: Node) -> bool:
    same = one.resources.cpus == other.resources.cpus and one.resources.replicas == other.resources.replicas
    return one.cost == other.cost == 0 and same


def _operator(graph: Graph, nodes: Iterable[Node]) -> Operator:
    return Operator(tuple(nodes), graph.catalogue, graph.loaded.pipeline.seed)
