"""Stages fused into operators, each the work of one pool of workers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from datagen.config import Replicas
from datagen.fields import Field
from datagen.nodes import Graph, Node


@dataclass(frozen=True)
class Operator:
    """Consecutive stages that run in one worker."""

    nodes: tuple[Node, ...]
    catalogue: Mapping[str, Field]
    seed: int

    @property
    def name(self) -> str:
        """Its first and last stage."""
        first, last = self.nodes[0].id, self.nodes[-1].id
        return first if first == last else f"{first}..{last}"

    @property
    def cpus(self) -> float:
        """Cores that a worker reserves; none where it waits for a GPU or a service."""
        needs = [node.resources.cpus for node in self.nodes]
        default = 0.0 if self.nodes[0].cost else 1.0
        return max(default if cpus is None else cpus for cpus in needs)

    @property
    def gpus(self) -> float:
        """GPUs that a worker reserves."""
        return max(node.resources.gpus for node in self.nodes)

    @property
    def replicas(self) -> Replicas:
        """Workers, as the config says."""
        return self.nodes[0].resources.replicas

    @property
    def device(self) -> str:
        """Where its models are loaded."""
        return "cuda" if self.gpus else "cpu"

    @property
    def threads(self) -> int:
        """Threads that a library in the worker may use."""
        return max(1, math.floor(self.cpus))


def fuse(graph: Graph) -> tuple[Operator, ...]:
    """Neighbouring stages that only need cores become one operator; any other stage stands alone."""
    groups: list[list[Node]] = []
    for node in graph.nodes:
        if groups and _alike(groups[-1][-1], node):
            groups[-1].append(node)
        else:
            groups.append([node])
    return tuple(_operator(graph, group) for group in groups)


def _alike(one: Node, other: Node) -> bool:
    same = one.resources.cpus == other.resources.cpus and one.resources.replicas == other.resources.replicas
    return one.cost == other.cost == 0 and same


def _operator(graph: Graph, nodes: Iterable[Node]) -> Operator:
    return Operator(tuple(nodes), graph.catalogue, graph.loaded.pipeline.seed)
