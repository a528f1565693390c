"""Put the source back wherever no edit was asked for."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Failed, Image, Map, Record, StageConfig
from datagen.imaging.alignment import outside_l1
from datagen.imaging.change_map import without_drift
from datagen.imaging.geometry import dilate
from datagen.imaging.image import Mask


class PasteBack(Map):
    """Make the target equal to the source outside the regions of its edits, and the pictures between likewise.

    The regions are `masks[1]`, `masks[2]`, ..., one for each row of `edits`, grown by `grow_px`; the picture after a
    turn is kept inside the regions of the turns up to it. `pasted_l1` says how far the target was from the source
    outside all regions, 0 to 1. With a global edit the region is the whole frame, and nothing changes.

    Inside the regions no pixel changes, unless `colours: fitted`: where a model's colours drifted over the whole
    picture, a region would stand out, so that the line for each channel is applied that brings the target closest to
    the source outside of the regions. With `feather_px`, source and target are mixed over that distance outside them.
    """

    reads = ("source", "raw_target", "raw_turns", "masks", "edits")
    writes = ("target", "turns", "pasted_l1")
    version = 1

    class Config(StageConfig):
        """The regions' edges."""

        grow_px: int = Field(default=4, ge=0, le=256)
        """By how many pixels a region is grown on every side, for soft edges and shadows."""
        feather_px: int = Field(default=0, ge=0, le=256)
        """Over how many pixels outside a region target and source are mixed; 0 for a hard edge."""

        colours: Literal["fitted", "kept"] = "kept"
        """Whether a drift of colours, as it shows outside the regions, is taken out of them: `fitted`."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Paste the source back into each target."""
        return [self._pasted(record) for record in batch]

    def _pasted(self, record: Record) -> Answer:
        source, target, turns = record["source"], record["raw_target"], record["raw_turns"]
        shapes = {
            source.size,
            target.size,
            *(turn.size for turn in turns),
            *(mask.shape[::-1] for mask in record["masks"]),
        }
        if len(shapes) > 1:
            return Failed(f"the pictures and masks differ in size: {sorted(shapes)}")
        regions = self._regions(record)
        pictures = [
            _mixed(source, self._fitted(source, picture, region_HW), _weights(region_HW, self.config.feather_px))
            for picture, region_HW in zip([*turns, target], regions, strict=True)
        ]
        changed = round(outside_l1(source.array, target.array, regions[-1]), 4)
        return {"target": pictures[-1], "turns": pictures[:-1], "pasted_l1": changed}

    def _fitted(self, source: Image, picture: Image, region_HW: Mask) -> Image:
        if self.config.colours == "kept" or region_HW.all():
            return picture
        return Image.of(without_drift(source.array, picture.array, ~region_HW))

    def _regions(self, record: Record) -> list[Mask]:
        """The region of each turn with all turns before it."""
        regions: list[Mask] = []
        for mask_HW, edit in zip(record["masks"][1:], record["edits"], strict=True):
            region_HW = np.ones_like(mask_HW) if edit["op"] == "global" else dilate(mask_HW, self.config.grow_px)
            regions.append(regions[-1] | region_HW if regions else region_HW)
        return regions


def _weights(region_HW: Mask, feather: int) -> NDArray[np.float32]:
    """How much of the edited picture each pixel takes: 1 in the region, 0 at `feather` pixels from it and beyond."""
    if not feather or region_HW.all():
        return region_HW.astype(np.float32)
    away_HW = cv2.distanceTransform((~region_HW).astype(np.uint8), cv2.DIST_L2, 5)
    return np.clip(1 - away_HW / (feather + 1), 0, 1).astype(np.float32) if region_HW.any() else np.zeros_like(away_HW)


def _mixed(source: Image, picture: Image, weights_HW: NDArray[np.float32]) -> Image:
    """The two pictures mixed; pixels with weight 1 or 0 stay exactly as they are."""
    if (weights_HW == 1).all():
        return picture
    one, other = source.array.astype(np.float32), picture.array.astype(np.float32)
    mixed = np.rint(one + (other - one) * weights_HW[..., None])
    return Image.of(mixed.clip(0, 255).astype(np.uint8))
