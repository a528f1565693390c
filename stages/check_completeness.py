"""Keep subjects that are whole and wholly in the picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, AsyncMap, Failed, Record, Reject, StageConfig, Threshold
from datagen.models.completeness_judges import CompletenessJudgeConfig
from datagen.models.completeness_judges.geometry import GeometryConfig


class CheckCompleteness(AsyncMap):
    """Drop subjects that the frame cuts off, that are in pieces, or that the judge finds incomplete.

    MIGE asks only Qwen2-VL (appendix B, table 4). Here geometry is measured first, because it costs nothing, and only
    subjects within both bounds go to the judge. With both bounds null the judge sees every subject.

    Rejects as `leaves_frame`, `in_pieces` or `incomplete`. If the record has its `image`, a mask that is empty or of
    another size fails the record.
    """

    reads = ("mask",)
    optional = ("image",)
    writes = ("border_contact", "largest_piece")
    rejects = ("leaves_frame", "in_pieces", "incomplete")
    thresholds = (
        Threshold("border_contact", "most", "max_border_contact", "leaves_frame"),
        Threshold("largest_piece", "least", "min_largest_piece", "in_pieces"),
    )
    version = 2
    remote = False

    class Config(StageConfig):
        """What still counts as complete."""

        max_border_contact: float | None = Field(default=0.01, ge=0, le=1)
        """Share of the mask's outline that may lie on the frame; null: any. The default is our own value."""
        min_largest_piece: float | None = Field(default=0.9, ge=0, le=1)
        """Share of the mask that must hang together; null: any. The default is our own value."""
        judge: CompletenessJudgeConfig = GeometryConfig()
        """Who is asked about what is within these bounds."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """The mask, and what the judge is shown."""
        return (*cls.reads, *config.judge.needs)

    def setup(self, device: str) -> None:
        """Load the judge."""
        self.judge = self.config.judge.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Measure the mask, then ask the judge."""
        mask_HW = record["mask"]
        found = {"border_contact": _border_contact(mask_HW), "largest_piece": _largest_piece(mask_HW)}
        if fault := self._fault(found):
            return fault
        if "image" not in record:
            return found
        image = record["image"]
        if mask_HW.shape != image.array.shape[:2]:
            return Failed("the mask is {1}x{0}, the picture {2}x{3}".format(*mask_HW.shape, *image.size))
        if not mask_HW.any():
            return Failed("the mask is empty, there is no subject to look at")
        verdict = await self.judge.judge(image, mask_HW, record=record.id)
        return found if verdict.answer else Reject("incomplete", verdict.reason, found)

    async def close(self) -> None:
        """Let go of what the judge opened, if it was loaded."""
        if hasattr(self, "judge"):
            await self.judge.close()

    def _fault(self, found: dict[str, float]) -> Reject | None:
        contact, piece = self.config.max_border_contact, self.config.min_largest_piece
        if contact is not None and found["border_contact"] > contact:
            return Reject("leaves_frame", f"{found['border_contact']:.1%} of its outline lies on the frame", found)
        if piece is not None and found["largest_piece"] < piece:
            return Reject("in_pieces", f"its largest piece is {found['largest_piece']:.1%} of it", found)
        return None


def _border_contact(mask_HW: NDArray[np.bool_]) -> float:
    """Share of the mask's outline, counted in sides of pixels, that lies on the frame; from 0 to 1."""
    on_frame = sum(int(edge.sum()) for edge in (mask_HW[0], mask_HW[-1], mask_HW[:, 0], mask_HW[:, -1]))
    padded = np.pad(mask_HW, 1)  # so that sides on the frame are steps too
    sides = sum(int((np.diff(padded, axis=axis)).sum()) for axis in (0, 1))
    return round(on_frame / sides, 4) if sides else 0.0


def _largest_piece(mask_HW: NDArray[np.bool_]) -> float:
    """Share of the mask in its largest connected piece, from 0 to 1; 0 for an empty mask."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return round(float(areas.max() / areas.sum()), 4) if len(areas) else 0.0
