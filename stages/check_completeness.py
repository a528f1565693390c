"""Keep subjects that are wholly in the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold


class CheckCompleteness(Map):
    """Drop subjects that the frame cuts off or something in front cuts up.

    MIGE asks Qwen2-VL (appendix B); this is what geometry alone can tell.
    """

    reads = ("mask",)
    writes = ("border_contact", "largest_piece")
    rejects = ("leaves_frame", "in_pieces")
    thresholds = (
        Threshold("border_contact", "most", "max_border_contact", "leaves_frame"),
        Threshold("largest_piece", "least", "min_largest_piece", "in_pieces"),
    )
    version = 1

    class Config(StageConfig):
        """What still counts as complete."""

        max_border_contact: float = Field(default=0.01, ge=0, le=1)
        """Share of the mask's outline that may lie on the frame."""
        min_largest_piece: float = Field(default=0.9, ge=0, le=1)
        """Share of the mask that must hang together."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure and judge each mask."""
        return [self._judge(record["mask"]) for record in batch]

    def _judge(self, mask_HW: NDArray[np.bool_]) -> Answer:
        found = {"border_contact": _border_contact(mask_HW), "largest_piece": _largest_piece(mask_HW)}
        if found["border_contact"] > self.config.max_border_contact:
            return Reject("leaves_frame", f"{found['border_contact']:.1%} of its outline lies on the frame", found)
        if found["largest_piece"] < self.config.min_largest_piece:
            return Reject("in_pieces", f"its largest piece is {found['largest_piece']:.1%} of it", found)
        return found


def _border_contact(mask_HW: NDArray[np.bool_]) -> float:
    """Share of the sides between mask and not mask, the frame counting as not mask, that lie on the frame."""
    on_frame = sum(int(edge.sum()) for edge in (mask_HW[0], mask_HW[-1], mask_HW[:, 0], mask_HW[:, -1]))
    padded = np.pad(mask_HW, 1)
    sides = sum(int((np.diff(padded, axis=axis)).sum()) for axis in (0, 1))
    return round(on_frame / sides, 4) if sides else 0.0


def _largest_piece(mask_HW: NDArray[np.bool_]) -> float:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return round(float(areas.max() / areas.sum()), 4) if len(areas) else 0.0
