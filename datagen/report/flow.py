"""The nodes and links of a Sankey diagram: the stages that lost records, and the outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, NamedTuple

from datagen.report.survey import End, Path

SOURCE = "source"


class FlowNode(NamedTuple):
    """The source, a stage that loses records, or an outcome."""

    label: str
    kind: Literal["source", "stage", "accepted", "rejected", "failed"]


class Link(NamedTuple):
    """The number of records that went from one node to another; nodes are given by index."""

    start: int
    end: int
    records: int


class Flow(NamedTuple):
    """The diagram: every record once, from the source to its outcome."""

    nodes: list[FlowNode]
    links: list[Link]

    def entering(self, kind: str) -> int:
        """The number of records that end in nodes of this kind."""
        return sum(link.records for link in self.links if self.nodes[link.end].kind == kind)


def flow(ends: Mapping[tuple[Path, End], int]) -> Flow:
    """The diagram of all records, from `source` through the stages that lose records to the outcomes.

    A source row that gave several records counts once for each of them, from the start. Stages that lose no record are
    left out.
    """
    losing = {end.stage for _, end in ends if end.stage}
    counted: Counter[tuple[FlowNode, FlowNode]] = Counter()
    for (path, end), number in ends.items():
        way = [FlowNode(SOURCE, "source"), *(FlowNode(stage, "stage") for stage in path if stage in losing)]
        if end.stage not in ("", SOURCE, way[-1].label):
            way.append(FlowNode(end.stage, "stage"))
        way.append(_last(end))
        for one, other in pairwise(way):
            counted[one, other] += number
    nodes = list(dict.fromkeys(node for pair in counted for node in pair))
    places = {node: place for place, node in enumerate(nodes)}
    return Flow(nodes, [Link(places[one], places[other], number) for (one, other), number in counted.items()])


def _last(end: End) -> FlowNode:
    if end.status == "accepted":
        return FlowNode("accepted", "accepted")
    if end.status == "failed":
        return FlowNode(f"{end.stage}: failed", "failed")
    return FlowNode(f"{end.stage}/{end.reason}", "rejected")
