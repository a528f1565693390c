"""Where records went, stage by stage, as the nodes and links of a Sankey diagram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, NamedTuple

from datagen.report.survey import End, Path

SOURCE = "source"


class FlowNode(NamedTuple):
    """A stage that loses records, or an end."""

    label: str
    kind: Literal["source", "stage", "accepted", "rejected", "failed"]


class Link(NamedTuple):
    """So many records went from one node to another, both by number."""

    start: int
    end: int
    records: int


class Flow(NamedTuple):
    """Every record once, from the source to its end."""

    nodes: list[FlowNode]
    links: list[Link]

    def entering(self, kind: str) -> int:
        """Records that end in nodes of a kind."""
        return sum(link.records for link in self.links if self.nodes[link.end].kind == kind)


def flow(ends: Mapping[tuple[Path, End], int]) -> Flow:
    """The way of every record, from `source` over the stages that lose some to its end.

    What became several records counts as often from the start; a stage that loses none is left out.
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
