"""Critiques from the source."""

from __future__ import annotations

from typing import Literal

from datagen.core.errors import DataError
from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.critics.base import Critic, Critique, JudgedPart, Refinement, contradiction, without_nothings


class GivenCriticConfig(ModelConfig):
    """Takes what the source says, such as a person's critiques, or GenRef's reflections; asks nobody."""

    kind: Literal["given"] = "given"

    def load(self, device: str, *, runtime: Runtime) -> Critic:  # noqa: ARG002
        """The critic; it needs no device and no runtime."""
        return GivenCritic()


class GivenCritic:
    """Returns the source's judgement of a step, without looking at its picture.

    A description has the judgement of its step, unless it has a verdict of its own.
    """

    async def judge(self, part: JudgedPart, *, record: str) -> Critique:  # noqa: ARG002
        """See `Critic`."""
        own = "description_" if part.kind == "description" and part.step.get("description_verdict") else ""
        verdict = part.step.get(f"{own}verdict")
        if verdict not in ("consistent", "inconsistent"):
            raise DataError(
                f"the source has no verdict on step {part.number}: give it `verdict: consistent` or `inconsistent`, or "
                "take another kind of critic"
            )
        words = (without_nothings(part.step.get(f"{own}{name}") or "") for name in ("critique", "correction"))
        found = Critique(verdict, *words)
        if fault := contradiction(found):
            raise DataError(f"the source contradicts itself on step {part.number}: {fault}")
        return found

    async def judge_refinement(self, refinement: Refinement, *, record: str) -> Critique:  # noqa: ARG002
        """Every mended picture of the source passes: the source says that it is the better one."""
        return Critique("consistent")

    async def close(self) -> None:
        """Nothing to close."""
