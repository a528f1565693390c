"""Judge the picture of each step of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from datagen import Answer, AsyncMap, Failed, Record, Reject, StageConfig
from datagen.core.fields import Field as RecordField
from datagen.imaging.image import Image
from datagen.models.critics.base import Critique
from datagen.models.step_judges import StepJudgeConfig
from datagen.models.step_judges.base import PaintedPlan
from datagen.models.step_judges.scene import SceneStepJudgeConfig
from datagen.scene_graphs.graph import SceneGraph


class JudgeSteps(AsyncMap):
    """Judge whether the picture of each step shows what it should then, knowing the plan.

    Until this stage a plan's fields are called `raw_steps`, `raw_turns` and `raw_target`, by `map`. Each row of `steps`
    gets `verdict`, `critique` and `correction`. Rejects as `inconsistent_step` for the first one that is not
    consistent. With `keep_prefix` the steps before it stay a plan of their own, if they have at least `min_pictures`
    pictures: the last of these is the target, and `unfinished` says that the caption says more than it shows. A plan
    with `masks`, which are of all of its steps, is never cut.
    """

    reads = ("raw_steps", "raw_turns", "raw_target", "caption")
    optional = ("masks",)
    writes = ("steps", "turns", "target", "unfinished")
    rejects = ("inconsistent_step",)
    version = 1
    remote = False
    fields = (
        RecordField("raw_steps", "json", "Steps of a plan before they are judged, as `steps`."),
        RecordField("unfinished", "bool", "Whether later steps of a plan were left out."),
    )

    class Config(StageConfig):
        """Who judges, and what is left of a plan that goes wrong."""

        judge: StepJudgeConfig = SceneStepJudgeConfig()
        """Who judges."""
        keep_prefix: bool = False
        """Whether a sound beginning of a plan stays."""
        min_pictures: int = Field(default=3, ge=1)
        """Fewest pictures of such a beginning."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """The plan and its pictures, and what the judge needs."""
        return (*cls.reads, *config.judge.needs)

    def setup(self, device: str) -> None:
        """Load the judge."""
        self.judge = self.config.judge.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Judge one plan."""
        steps, pictures = record["raw_steps"], [*record["raw_turns"], record["raw_target"]]
        graphs = [SceneGraph.model_validate(row) for row in record.get("step_graphs", ())]
        if len(steps) != len(pictures) or (self.config.judge.needs and len(graphs) != len(steps)):
            return Failed(
                f"the plan has {len(steps)} steps, {len(pictures)} pictures and {len(graphs)} graphs; each step has one"
            )
        verdicts = await self.judge.judge(PaintedPlan(record["caption"], steps, graphs, pictures), record=record.id)
        wrong = next((n for n, one in enumerate(verdicts) if one.verdict == "inconsistent"), len(steps))
        is_whole = not self.config.keep_prefix or "masks" in record
        if wrong < len(steps) and (is_whole or wrong < self.config.min_pictures):
            return Reject("inconsistent_step", f"step {wrong + 1} of {len(steps)}: {verdicts[wrong].critique}")
        return _plan(steps[:wrong], verdicts, pictures, is_unfinished=wrong < len(steps))

    async def close(self) -> None:
        """Let go of what the judge opened, if it was loaded."""
        if hasattr(self, "judge"):
            await self.judge.close()


def _plan(
    steps: Sequence[dict[str, Any]], verdicts: Sequence[Critique], pictures: Sequence[Image], *, is_unfinished: bool
) -> dict[str, Any]:
    """The judged steps, which are all of the plan or its beginning."""
    members = [*(f"turn_{number}" for number in range(len(steps) - 1)), "target"]
    return {
        "steps": [
            {**step, "image": member, **one._asdict()}
            for step, member, one in zip(steps, members, verdicts, strict=False)
        ],
        "turns": list(pictures[: len(steps) - 1]),
        "target": pictures[len(steps) - 1],
        "unfinished": is_unfinished,
    }
