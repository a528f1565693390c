"""Judge what a model wrote or painted, say what is wrong with it, and word the correction."""

from __future__ import annotations

from typing import Literal

from datagen import Answer, AsyncMap, Failed, Record, StageConfig
from datagen.models.critics import CriticConfig
from datagen.models.critics.base import JudgedPart
from datagen.models.critics.given import GivenCriticConfig


class WriteCritique(AsyncMap):
    """Judge one part of a model's output, as the sources `generations` and `genref` give it.

    A description is judged against the prompt (`caption`), without pictures; the critic is told all steps before it and
    what the later ones are to do. A picture is judged against the instruction of its step; the critic is shown
    `source`, the picture before it, where there is one. `critique` and `correction` are '' for what is consistent. A
    critic that contradicts itself, such as by a correction of what it calls consistent, is asked again; if it does so
    to the end, the record fails.
    """

    reads = ("critique_of", "caption", "step", "generation", "image")
    optional = ("source",)
    writes = ("verdict", "critique", "correction")
    version = 1
    remote = False

    class Config(StageConfig):
        """Who judges."""

        critic: CriticConfig = GivenCriticConfig()
        """The model that judges."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the critic."""
        self.critic = self.config.critic.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Judge one part."""
        steps, number = record["generation"], record["step"]
        if not 1 <= number <= len(steps):
            return Failed(f"there is no step {number}; the generation has {len(steps)}")
        kind: Literal["description", "picture"] = "description" if record["critique_of"] == "description" else "picture"
        part = JudgedPart(kind, record["caption"], steps, number, record["image"], record.get("source"))
        found = await self.critic.judge(part, record=record.id)
        return found._asdict()

    async def close(self) -> None:
        """Let go of what the critic opened, if it was loaded."""
        if hasattr(self, "critic"):
            await self.critic.close()
