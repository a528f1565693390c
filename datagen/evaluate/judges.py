"""Grades outputs by vision-language models. A reply that cannot be read counts as the lowest grade, and as failure."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from datagen.core.errors import DataError
from datagen.core.stage import Runtime
from datagen.evaluate.cases import Case
from datagen.evaluate.config import GradingConfig
from datagen.evaluate.grades import PROTOCOLS, GradeCall, GradeScore, focus_of, grades_in
from datagen.evaluate.results import MetricInfo
from datagen.imaging.image import Image, Pixels
from datagen.models.language.base import Draw, LanguageModel, Question
from datagen.models.language.prompt import Prompt, read_prompt
from datagen.models.language.sharing import shared_here


class GradedOutput(NamedTuple):
    """One output that is to be graded."""

    subject: str
    case: Case
    output: Pixels


@dataclass
class Graded:
    """What all judges say of one output."""

    numbers: dict[str, float] = field(default_factory=dict)
    """By metric."""
    failed: list[str] = field(default_factory=list)
    """Judges of which a reply could not be read."""
    tokens: int = 0
    usd: float = 0.0


class _Judge:
    """One judge: a model and a protocol."""

    def __init__(self, config: GradingConfig) -> None:
        self.config, self.protocol = config, PROTOCOLS[config.protocol]
        self._prompts: dict[str, Prompt] = {
            call.prompt: read_prompt(call.prompt, offers=self.protocol.slots) for call in self.protocol.calls
        }
        self.name = config.name

    def metric(self, score: GradeScore) -> MetricInfo:
        """What a score means."""
        prompts = ", ".join(prompt.revision for prompt in self._prompts.values())
        macro = "; mean of the means by operation" if self.protocol.macro else ""
        return MetricInfo(
            name=self.metric_name(score),
            doc=f"{score.doc}{macro}; a reply that cannot be read counts as {score.scale[0]:g}",
            reference="source and instruction",
            better="higher",
            unit=f"{score.scale[0]:g} to {score.scale[1]:g}",
            model=f"{self.config.model.revision}; prompts {prompts}",
            preprocessing=f"as JPEG, longest side at most {self.config.model.image_side}",
            scale=score.scale,
            failed_as=score.scale[0],
        )

    def metric_name(self, score: GradeScore) -> str:
        """The score's name: with the judge and its draws."""
        return self.name.replace(" by ", f" {score.name} by ", 1)

    def question(self, call: GradeCall, item: GradedOutput) -> Question:
        """The question about one output."""
        values = {"instruction": item.case.words, "focus": focus_of(item.case.group)}
        before, after = Image.of(item.case.example.source), Image.of(item.output)
        return (
            self._prompts[call.prompt]
            .render(values)
            ._replace(images=(before, after) if call.pictures == "both" else (after,))
        )

    async def grade(self, model: LanguageModel, item: GradedOutput, into: Graded) -> None:
        """Add the means over all draws."""
        drawn = await asyncio.gather(*(self._draw(model, item, draw, into) for draw in range(self.config.draws)))
        if any(grades is None for grades in drawn):
            into.failed.append(self.name)
        for score in self.protocol.scores:
            found = [score.scale[0] if grades is None else score.of(grades) for grades in drawn]
            into.numbers[self.metric_name(score)] = sum(found) / len(found)

    async def _draw(self, model: LanguageModel, item: GradedOutput, draw: int, into: Graded) -> dict[str, int] | None:
        """The grades of one draw; None if a reply cannot be read."""
        grades: dict[str, int] = {}
        calls = self.protocol.calls
        for place, call in enumerate(calls):
            number = draw * len(calls) + place
            try:
                reply = await model(
                    self.question(call, item),
                    shape=call.shape,
                    draw=Draw(f"{self.config.protocol}/{item.subject}/{item.case.key}", number),
                )
            except DataError:
                return None
            into.tokens, into.usd = into.tokens + reply.tokens, into.usd + reply.usd
            grades |= grades_in(reply.value)
        return grades


class Judges:
    """All judges of an evaluation, with their connections, inside a `with`."""

    def __init__(self, configs: Sequence[GradingConfig], *, replies: str, concurrency: int) -> None:
        """`replies` is the address of stored replies, '' for none. Raises `ConfigError`."""
        self._judges = [_Judge(config) for config in configs]
        self._runtime = Runtime(run=f"evaluate-{uuid.uuid4().hex}", replies=replies)
        self._concurrency = concurrency
        self._models: list[LanguageModel] = []
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self._runner = self._exit.enter_context(asyncio.Runner())
        self._exit.enter_context(shared_here(run=self._runtime.run))
        self._exit.callback(lambda: self._runner.run(self._close()))
        self._runner.run(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        self._exit.close()

    @property
    def metrics(self) -> list[MetricInfo]:
        """What all judges give."""
        return [judge.metric(score) for judge in self._judges for score in judge.protocol.scores]

    def metrics_of(self, names: Sequence[str]) -> list[MetricInfo]:
        """What the judges of these names give."""
        return [judge.metric(score) for judge in self._judges if judge.name in names for score in judge.protocol.scores]

    @property
    def macro(self) -> frozenset[str]:
        """Metrics whose mean is that of the means of groups."""
        found = (judge for judge in self._judges if judge.protocol.macro)
        return frozenset(judge.metric_name(score) for judge in found for score in judge.protocol.scores)

    def grade(self, items: Sequence[GradedOutput]) -> list[Graded]:
        """The grades of each output, in their order. Raises `AllowanceError`, `SetupError`; see `LanguageModel`."""
        return self._runner.run(self._grade_all(items)) if self._judges else [Graded() for _ in items]

    async def _grade_all(self, items: Sequence[GradedOutput]) -> list[Graded]:
        room = asyncio.Semaphore(self._concurrency)

        async def graded(item: GradedOutput) -> Graded:
            found = Graded()
            for judge, model in zip(self._judges, self._models, strict=True):
                async with room:
                    await judge.grade(model, item, found)
            return found

        return await asyncio.gather(*map(graded, items))

    async def _open(self) -> None:
        self._models = [judge.config.model.load("cpu", runtime=self._runtime) for judge in self._judges]

    async def _close(self) -> None:
        for model in self._models:
            await model.close()
