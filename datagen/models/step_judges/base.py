"""The protocol of step judges: they say of each step of a plan whether its picture is as it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from datagen.models.critics.base import Critique
from datagen.scene_graphs.graph import SceneGraph

if TYPE_CHECKING:
    from datagen.imaging.image import Image

StepRow = Mapping[str, Any]
"""A row of the field `steps`: `instruction` and `description`."""


class PaintedPlan(NamedTuple):
    """A plan and its pictures, one for each step."""

    caption: str
    """What the last picture should show."""
    steps: Sequence[StepRow]
    graphs: Sequence[SceneGraph]
    """The graph that each step leads to; empty for a judge that needs none."""
    pictures: Sequence[Image]
    """What each step led to."""


class StepJudge(Protocol):
    """Judges the pictures of a plan, each by what it should show after its step: what comes later is not missing."""

    async def judge(self, plan: PaintedPlan, *, record: str) -> list[Critique]:
        """The critique of the picture of each step of the record with this id.

        Raises `DataError` if there is no verdict; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
