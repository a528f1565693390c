"""Scenes of plain shapes on a plain background, checked by colours and outlines."""

from __future__ import annotations

from typing import Literal

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.base import ModelConfig
from datagen.models.scene_checkers.base import RULES, JudgeRule, SceneChecker
from datagen.models.scene_checkers.flat_shapes import SHAPES, find_shapes
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.matching import AtomVerdict, same_label


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
        return [_unless(one, unknown) for one in self._judge(graph, find_shapes(image.array))]

    async def close(self) -> None:
        """Nothing to close."""


def _unless(one: AtomVerdict, unknown: set[str]) -> AtomVerdict:
    """The verdict, or none where it is on something that is no shape."""
    return one._replace(found="not judged", holds=None) if {one.atom.subject, one.atom.object} & unknown else one
