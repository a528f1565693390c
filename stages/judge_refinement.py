"""Keep corrections that mended the picture."""

from __future__ import annotations

from datagen import Answer, AsyncMap, Failed, Record, Reject, StageConfig
from datagen.models.critics import CriticConfig
from datagen.models.critics.base import Refinement
from datagen.models.critics.given import GivenCriticConfig


class JudgeRefinement(AsyncMap):
    """Judge a mended picture beside the flawed one: the fault has to be gone, and nothing else harmed.

    Rejects as `unchanged` a picture that is the flawed one to the byte, without asking, and as `not_mended` what the
    critic finds inconsistent. A critic that contradicts itself is asked again; if it does so to the end, the record
    fails.
    """

    reads = ("image", "mended", "generation", "step", "critique", "correction")
    writes = ()
    rejects = ("unchanged", "not_mended")
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
        """Judge one correction."""
        steps, number = record["generation"], record["step"]
        if not 1 <= number <= len(steps):
            return Failed(f"there is no step {number}; the generation has {len(steps)}")
        if record["mended"] == record["image"]:
            return Reject("unchanged", "the correction changed no pixel")
        goal = steps[number - 1]["instruction"]
        pictures = record["image"], record["mended"]
        refinement = Refinement(goal, record["critique"], record["correction"], *pictures)
        found = await self.critic.judge_refinement(refinement, record=record.id)
        return {} if found.verdict == "consistent" else Reject("not_mended", found.critique)

    async def close(self) -> None:
        """Let go of what the critic opened, if it was loaded."""
        if hasattr(self, "critic"):
            await self.critic.close()
