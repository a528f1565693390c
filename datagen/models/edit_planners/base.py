"""The protocol of edit planners: they take a picture and an instruction, and return single edits with their boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from datagen.core.fields import Box

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class PlannedEdit(NamedTuple):
    """One single edit of a plan."""

    text: str
    """Its instruction, not empty."""
    box: Box | None
    """Where it applies: xyxy in pixels, inside the picture, and not empty. None for the whole picture."""

    def __str__(self) -> str:
        """A line for people, the box in whole pixels."""
        where = "the whole picture" if self.box is None else ",".join(f"{edge:.0f}" for edge in self.box)
        return f"{self.text}: {where}"


class EditPlanner(Protocol):
    """Decomposes an instruction into single edits, each with the place that it applies to."""

    async def plan(self, image: Image, instruction: str, *, most: int) -> list[PlannedEdit]:
        """The edits in the order of the instruction, at least one.

        `most` is the number of edits that are wanted at most. A plan may have more: edits are neither joined nor left
        out. Raises `DataError` if there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
