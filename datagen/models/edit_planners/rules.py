"""Plans by rules of English grammar, without boxes."""

from __future__ import annotations

from typing import Literal

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.base import ModelConfig
from datagen.models.edit_planners.base import EditPlanner, PlannedEdit
from datagen.models.grammar import split_edit


class RulesEditPlannerConfig(ModelConfig):
    """Splits an English instruction where a clause begins that can stand alone; each edit applies anywhere."""

    kind: Literal["rules"] = "rules"

    def load(self, device: str, *, runtime: Runtime) -> EditPlanner:  # noqa: ARG002
        """The planner; it needs no device and no runtime."""
        return RulesEditPlanner()


class RulesEditPlanner:
    """Reads the words alone; see `datagen.models.grammar.split_edit`."""

    async def plan(self, image: Image, instruction: str, *, most: int) -> list[PlannedEdit]:  # noqa: ARG002
        """See `EditPlanner`. An instruction that is not understood is one edit, in its own words."""
        return [PlannedEdit(text, None) for text in split_edit(instruction)]

    async def close(self) -> None:
        """Nothing to close."""
