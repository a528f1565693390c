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

    Until this stage a plan's fields are called `raw_steps`, `raw_turns`, `raw_target`, `raw_instruction` and
    `raw_text`, by `map`. Each row of `steps` gets `verdict`, `critique` and `correction`. The instruction is the
    caption. Rejects as `inconsistent_step` for the first step that is not consistent. With `keep_prefix` those before
    it stay a plan of their own, if they have at least `min_pictures` pictures: the last of these is the target, its
    description the instruction, and `unfinished` is true. A plan with `masks`, which are of all of its steps, is never
    cut, nor is one whose last sound step has no description.
    """

    reads = ("raw_steps", "raw_turns", "raw_target", "caption")
    optional = ("masks",)
    writes = ("steps", "turns", "target", "instruction", "text", "unfinished")
    rejects = ("inconsistent_step",)
    version = 1
    remote = False
    fields = (
        RecordField("raw_steps", "json", "Steps of a plan before they are judged, as `steps`."),
        RecordField("raw_instruction", "text", "What a whole plan is for, before it is judged."),
        RecordField("raw_text", "text", "The same without placeholders."),
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
        is_unfinished = wrong < len(steps)
        instruction = steps[wrong - 1].get("description", "") if is_unfinished and wrong else record["caption"]
        cannot_be_cut = not self.config.keep_prefix or "masks" in record or not instruction
        if is_unfinished and (cannot_be_cut or wrong < self.config.min_pictures):
            return Reject("inconsistent_step", f"step {wrong + 1} of {len(steps)}: {verdicts[wrong].critique}")
        plan = _plan(steps[:wrong], verdicts, pictures)
        return {**plan, "instruction": instruction, "text": instruction, "unfinished": is_unfinished}

    async def close(self) -> None:
        """Let go of what the judge opened, if it was loaded."""
        if hasattr(self, "judge"):
            await self.judge.close()


def _plan(steps: Sequence[dict[str, Any]], verdicts: Sequence[Critique], pictures: Sequence[Image]) -> dict[str, Any]:
    """The judged steps, which are all of the plan or its beginning."""
    members = [*(f"turn_{number}" for number in range(len(steps) - 1)), "target"]
    return {
        "steps": [
            {**step, "image": member, **one._asdict()}
            for step, member, one in zip(steps, members, verdicts, strict=False)
        ],
        "turns": list(pictures[: len(steps) - 1]),
        "target": pictures[len(steps) - 1],
    }
