"""Propose boxes for what an edit changes."""

from __future__ import annotations

from typing import Any, Literal

from datagen import Answer, AsyncMap, Record, StageConfig
from datagen.imaging.change_map import cached_pixel_map
from datagen.imaging.map_boxes import OWN_BOX, own_boxes
from datagen.models.box_proposers import BoxProposerConfig
from datagen.models.box_proposers.base import BoxCandidate, EditedPair, is_global_edit
from datagen.models.box_proposers.parts import PartsProposerConfig


class ProposeBoxes(AsyncMap):
    """Propose boxes for what an edit changes, and keep all of them (MCIE, section 3.1, asks Qwen2.5-VL for k).

    The proposer `parts` takes them from the map of the change; `detector` and `grounder` look for `object` in the
    picture that `op` asks for: what was added in the target, what was removed in the source, anything else in both.
    The map's own box, the rectangle with the largest sum of change less 0.15 a place, can be added to those of any
    proposer; it is told apart by `by: change_map`. Boxes are in pixels of the source. Nothing is rejected: `select_box`
    judges them. For a global edit nothing is proposed, as its box is the frame. An order for later turns is no global
    edit.
    """

    reads = ("source", "target")
    optional = ("op", "object", "renamed_to", "scope", "parts")
    writes = ("box_candidates",)
    version = 3
    remote = False

    class Config(StageConfig):
        """Who proposes."""

        proposer: BoxProposerConfig = PartsProposerConfig()
        """What proposes boxes."""
        map_box: Literal["added", "left_out"] = "added"
        """Whether the map's own box is one of the candidates; the published recipe has none."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """The pictures, and what the proposer reads."""
        return (*cls.reads, *config.proposer.needs)

    def setup(self, device: str) -> None:
        """Load the proposer."""
        self.proposer = self.config.proposer.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Propose the boxes of one edit."""
        if is_global_edit(op=record.get("op"), scope=record.get("scope"), parts=record.get("parts") or ()):
            return {"box_candidates": []}
        words = {name: record.get(name) or "" for name in ("object", "renamed_to")}
        pair = EditedPair(record["source"], record["target"], op=record.get("op") or "unknown", **words)
        found = await self.proposer.propose(pair, record=record.id)
        own = _own_box(pair) if self.config.map_box == "added" else []
        return {"box_candidates": [_entry(candidate) for candidate in (*found, *own)]}

    async def close(self) -> None:
        """Let go of what the proposer opened, if it was loaded."""
        if hasattr(self, "proposer"):
            await self.proposer.close()


def _own_box(pair: EditedPair) -> list[BoxCandidate]:
    change_HW = cached_pixel_map.map(pair.source.array, pair.target.array)
    return [BoxCandidate(box, OWN_BOX) for box in own_boxes(change_HW, [], pair.source.size)]


def _entry(candidate: BoxCandidate) -> dict[str, Any]:
    score = None if candidate.score is None else round(candidate.score, 4)
    box = [round(edge, 2) for edge in candidate.box]
    return {"box": box, "by": candidate.by, "side": candidate.side, "score": score}
