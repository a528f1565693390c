"""Scenes of plain shapes on a plain background, checked by colours and outlines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.base import ModelConfig
from datagen.models.scene_checkers.base import RULES, JudgeRule, SceneChecker
from datagen.models.scene_checkers.flat_shapes import SHAPES, find_shapes
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.matching import AtomVerdict, SceneThing, judge_things, match_things, same_label

_STEP: Final = 1.4
"""How much longer a large thing is than a usual one, and that one than a small one, about."""


class FlatColoursConfig(ModelConfig):
    """Finds plain shapes on a plain background: circles, squares, triangles, diamonds, crosses, stars, hearts, rings.

    It needs no weights, and nothing of what it knows comes from the code that draws such pictures.
    """

    kind: Literal["flat_colours"] = "flat_colours"

    rule: JudgeRule = "matched"
    """How shapes become verdicts: matched with the graph one to one, or as GenEval does; see `geneval.py`."""

    def load(self, device: str, *, runtime: Runtime) -> SceneChecker:  # noqa: ARG002
        """The checker; it needs no device and no runtime."""
        return FlatColoursChecker(self)


class FlatColoursChecker:
    """Judges shapes, their numbers, colours and places. Of other labels and attributes it has no verdict."""

    def __init__(self, config: FlatColoursConfig) -> None:
        self._judge = RULES[config.rule]

    async def check(self, image: Image, graph: SceneGraph, *, record: str) -> list[AtomVerdict]:  # noqa: ARG002
        """See `SceneChecker`."""
        unknown = {node.id for node in graph.objects if not any(same_label(node.label, name) for name in SHAPES)}
        things = with_sizes(graph, find_shapes(image.array))
        return [_unless(one, unknown) for one in self._judge(graph, things)]

    async def close(self) -> None:
        """Nothing to close."""


def with_sizes(graph: SceneGraph, things: Sequence[SceneThing]) -> list[SceneThing]:
    """The things with the attribute `size`, if the graph says a size of any node: tiny, small, '', large or huge.

    A size says how long a thing is beside others. What has no size by the graph is as long as usual; where all have
    one, it is usual by which things agree best with the graph.
    """
    if not any(node.get("size") for node in graph.objects) or not things:
        return list(things)
    plain = [node for node in graph.objects if not node.get("size")]
    usual = {_side(thing) for thing in things if any(same_label(thing.label, node.label) for node in plain)}
    usual = usual or {_side(thing) * factor for factor in (1, _STEP, 1 / _STEP) for thing in things}
    named = [[_sized(thing, usual=side) for thing in things] for side in sorted(usual)]
    return max(named, key=lambda some: _agreeing(graph, some))


def _side(thing: SceneThing) -> float:
    x0, y0, x1, y1 = thing.box
    return max(x1 - x0, y1 - y0)


def _sized(thing: SceneThing, *, usual: float) -> SceneThing:
    # Half a step to either side: what is two steps off is another size still.
    steps = round(math.log(_side(thing) / usual, _STEP))
    size = {-1: "small", 0: "", 1: "large"}.get(steps, "tiny" if steps < 0 else "huge")
    return thing._replace(attributes={**thing.attributes, "size": size})


def _agreeing(graph: SceneGraph, things: Sequence[SceneThing]) -> tuple[int, int, int]:
    """How many things have the size of their node, how many are neither tiny nor huge, and how many atoms hold."""
    matching = match_things(graph, things)
    sizes = sum(
        things[n].attributes["size"] == node.get("size")
        for node, some in zip(graph.objects, matching, strict=True)
        for n in some
    )
    plain = sum(thing.attributes["size"] not in ("tiny", "huge") for thing in things)
    return sizes, plain, sum(bool(one.holds) for one in judge_things(graph, things))


def _unless(one: AtomVerdict, unknown: set[str]) -> AtomVerdict:
    """The verdict, or none where it is on something that is no shape."""
    return one._replace(found="not judged", holds=None) if {one.atom.subject, one.atom.object} & unknown else one
