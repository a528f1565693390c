"""Steps judged by the graphs that they lead to: a scene checker on each picture."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Literal

from datagen.core.errors import DataError
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.base import ModelConfig
from datagen.models.critics.base import Critique
from datagen.models.scene_checkers import SceneCheckerConfig
from datagen.models.scene_checkers.base import SceneChecker
from datagen.models.scene_checkers.flat_colours import FlatColoursConfig
from datagen.models.step_judges.base import PaintedPlan, StepJudge
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.observed import correction_of, critique_of


class SceneStepJudgeConfig(ModelConfig):
    """Holds the picture of each step to the graph that the step leads to; critique and correction follow from it."""

    kind: Literal["scene"] = "scene"
    needs: ClassVar[tuple[str, ...]] = ("step_graphs",)

    checker: SceneCheckerConfig = FlatColoursConfig()
    """Who says what a picture shows."""

    def load(self, device: str, *, runtime: Runtime) -> StepJudge:
        """The judge. Raises `SetupError` if its checker cannot be used."""
        return SceneStepJudge(self.checker.load(device, runtime=runtime), kind=self.checker.kind)


class SceneStepJudge:
    """Judges by graphs alone, so that words of the plan do not matter."""

    def __init__(self, checker: SceneChecker, *, kind: str) -> None:
        self._checker = checker
        self._kind = kind

    async def judge(self, plan: PaintedPlan, *, record: str) -> list[Critique]:
        """See `StepJudge`. Raises `DataError` if the checker has no verdict on an atom."""
        pairs = enumerate(zip(plan.pictures, plan.graphs, strict=True), 1)
        return await asyncio.gather(
            *(self._verdict(picture, graph, record=f"{record}/{step}") for step, (picture, graph) in pairs)
        )

    async def close(self) -> None:
        """Close what the checker opened."""
        await self._checker.close()

    async def _verdict(self, picture: Image, graph: SceneGraph, *, record: str) -> Critique:
        verdicts = await self._checker.check(picture, graph, record=record)
        unknown = [one for one in verdicts if one.holds is None]
        if unknown:
            raise DataError(
                f"the checker '{self._kind}' has no verdict on '{unknown[0].expected:.80}'; judge such plans "
                "with `kind: language`"
            )
        critique = critique_of(graph, verdicts)
        if not critique:
            return Critique("consistent")
        return Critique("inconsistent", critique, correction_of(graph, verdicts))
