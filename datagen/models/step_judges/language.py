"""Steps judged by a vision-language model: one call a step, in which it is told the whole plan and where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import StringConstraints, model_validator

from datagen.core.stage import Runtime
from datagen.models.critics.base import Critique, VerdictWord, contradiction
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind, delimited
from datagen.models.language.role_config import LanguageRoleConfig
from datagen.models.step_judges.base import PaintedPlan, StepJudge


class LanguageStepJudgeConfig(LanguageRoleConfig):
    """Asks a vision-language model about each step. It is told all steps, so that "not yet" is not "wrong"."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {
        "caption": "text",
        "steps": "json",
        "step": "number",
        "count": "number",
        "pictures": "number",
    }

    prompt: str = "judge_step"

    def load(self, device: str, *, runtime: Runtime) -> StepJudge:
        """The judge. Raises `SetupError` if its model cannot be used."""
        return LanguageStepJudge(self, self.model.load(device, runtime=runtime))


_Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class StepForm(AnswerForm):
    """The judgement of one step."""

    critique: _Words
    verdict: VerdictWord
    correction: _Words

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        """A judge that contradicts itself is told so and asked again; if it does not mend that, it has no verdict."""
        if fault := contradiction(self.read()):
            raise ValueError(fault)
        return self

    def read(self) -> Critique:
        """The judgement."""
        return Critique(self.verdict, self.critique, self.correction)


class LanguageStepJudge:
    """Asks about all steps of a plan at once; each question shows the picture before the step and the one after."""

    def __init__(self, config: LanguageStepJudgeConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def judge(self, plan: PaintedPlan, *, record: str) -> list[Critique]:
        """See `StepJudge`."""
        return await asyncio.gather(*(self._ask(plan, index, record=record) for index in range(len(plan.steps))))

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()

    async def _ask(self, plan: PaintedPlan, index: int, *, record: str) -> Critique:
        steps = [
            {
                "step": number,
                "instruction": delimited(step["instruction"]),
                "should_show": delimited(step.get("description", "")),
            }
            for number, step in enumerate(plan.steps, 1)
        ]
        pictures = tuple(plan.pictures[max(0, index - 1) : index + 1])
        values = {
            **{"caption": plan.caption, "steps": steps, "step": index + 1},
            **{"count": len(steps), "pictures": len(pictures)},
        }
        question = self._prompt.render(values)._replace(images=pictures)
        reply = await self._model(question, shape=StepForm, draw=Draw(record, index))
        return reply.value.read()
