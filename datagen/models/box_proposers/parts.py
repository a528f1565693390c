"""Boxes around the parts of the map of the change: no weights, no words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.core.stage import Runtime
from datagen.imaging.change_map import cached_pixel_map
from datagen.imaging.map_boxes import component_boxes, in_picture
from datagen.models.base import ModelConfig
from datagen.models.box_proposers.base import BoxCandidate, BoxProposer, EditedPair


class PartsProposerConfig(ModelConfig):
    """Connected parts of the change map at several levels, one by one and merged; it does not read the instruction."""

    kind: Literal["parts"] = "parts"

    most: int = Field(default=16, ge=1, le=100)
    """Most boxes."""

    def load(self, device: str, *, runtime: Runtime) -> BoxProposer:  # noqa: ARG002 - it needs neither
        """The proposer."""
        return PartsProposer(self)


class PartsProposer:
    """Finds parts of the change map by pixels."""

    def __init__(self, config: PartsProposerConfig) -> None:
        self._config = config

    async def propose(self, pair: EditedPair, *, record: str) -> list[BoxCandidate]:  # noqa: ARG002
        """See `BoxProposer`."""
        change_HW = cached_pixel_map.map(pair.source.array, pair.target.array)
        boxes = component_boxes(change_HW, most=self._config.most)
        return [BoxCandidate(in_picture(box, change_HW, pair.source.size), "parts") for box in boxes]

    async def close(self) -> None:
        """It opened nothing."""
