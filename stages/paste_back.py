"""Put the source back wherever no edit was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from datagen import Answer, Failed, Image, Map, Record, Reject, StageConfig
from datagen.imaging.alignment import outside_l1
from datagen.imaging.change_map import Floats, cached_pixel_map, in_tone, without_drift
from datagen.imaging.geometry import dilate
from datagen.imaging.image import Mask
from datagen.imaging.turn_regions import TurnRegion, plain_regions, turn_regions
from datagen.models.box_proposers.base import most_places


class PasteBack(Map):
    """Make the target equal to the source outside the regions of its edits, and the pictures between likewise.

    The regions are `masks[1]`, `masks[2]`, ..., one for each row of `edits`, grown by `grow_px`; that of a global edit
    is the whole frame. Turn by turn, the region is taken from the picture after it, and the rest from the result of the
    turn before. `pasted_l1` says how far the target was from the source outside all regions, 0 to 1.

    Inside the regions no pixel changes, unless `colours: fitted`: where a model's colours drifted over the whole
    picture, a region would stand out, so that the line for each channel is applied that brings the picture closest to
    the one before outside of the region. With `feather_px`, both are mixed over that distance outside it.

    With `strays: restored`, what a turn changed away from its edit, as the map of its change shows it, is taken out of
    the regions of other turns too, and a turn that edits several places has no region between them. Rejects as `stray`
    where that is not possible: a later turn edits a part of it, or changes the whole picture by more than its tone.
    """

    reads = ("source", "raw_target", "raw_turns", "masks", "edits")
    optional = ("session_turns", "first_turn")
    writes = ("target", "turns", "pasted_l1")
    rejects = ("stray",)
    version = 2

    class Config(StageConfig):
        """The regions' edges."""

        grow_px: int = Field(default=4, ge=0, le=256)
        """By how many pixels a region is grown on every side, for soft edges and shadows."""
        feather_px: int = Field(default=0, ge=0, le=256)
        """Over how many pixels outside a region target and source are mixed; 0 for a hard edge."""

        colours: Literal["fitted", "kept"] = "kept"
        """Whether a drift of colours, as it shows outside the regions, is taken out of them: `fitted`."""

        strays: Literal["restored", "kept"] = "kept"
        """Whether what a turn changed elsewhere is taken out of the regions of the other turns: `restored`."""

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
        states = [source, *turns, target]
        regions = self._regions(record, states)
        if regions is None:
            return Reject("stray", "a turn edits a part of what an earlier one changed elsewhere")
        pictures: list[Image] = []
        for number, found in enumerate(regions):
            before = pictures[-1] if pictures else source
            picture = _mixed(
                before, self._fitted(before, states[number + 1], found.region), self._weights(found.region)
            )
            if found.stray.any():
                restored: Image | None = before
                if record["edits"][number]["op"] == "global":
                    restored = _in_tone(before, states[number], states[number + 1], ~found.stray)
                if restored is None:
                    return Reject("stray", "a turn changes the whole picture, and what was changed elsewhere")
                picture = _mixed(picture, restored, self._weights(found.stray) * ~found.edited)
            pictures.append(picture)
        everywhere_HW = np.logical_or.reduce([found.region for found in regions])
        changed = round(outside_l1(source.array, target.array, everywhere_HW), 4)
        return {"target": pictures[-1], "turns": pictures[:-1], "pasted_l1": changed}

    def _fitted(self, before: Image, picture: Image, region_HW: Mask) -> Image:
        if self.config.colours == "kept" or region_HW.all():
            return picture
        return Image.of(without_drift(before.array, picture.array, ~region_HW))

    def _regions(self, record: Record, states: Sequence[Image]) -> list[TurnRegion] | None:
        boxes = [
            np.ones_like(mask_HW) if edit["op"] == "global" else dilate(mask_HW, self.config.grow_px)
            for mask_HW, edit in zip(record["masks"][1:], record["edits"], strict=True)
        ]
        if self.config.strays == "kept":
            return plain_regions(boxes)
        changes = [cached_pixel_map.map(before.array, after.array) for before, after in pairwise(states)]
        return turn_regions(boxes, changes, _places(record), grow=self.config.grow_px)

    def _weights(self, region_HW: Mask) -> Floats:
        """How much of the edited picture each pixel takes: 1 in the region, 0 where feathers end and beyond."""
        if not self.config.feather_px or region_HW.all() or not region_HW.any():
            return region_HW.astype(np.float32)
        away_HW = cv2.distanceTransform((~region_HW).astype(np.uint8), cv2.DIST_L2, 5)
        return np.asarray(np.clip(1 - away_HW / (self.config.feather_px + 1), 0, 1), np.float32)


def _mixed(source: Image, picture: Image, weights_HW: Floats) -> Image:
    """The two pictures mixed; pixels with weight 1 or 0 stay exactly as they are."""
    if (weights_HW == 1).all():
        return picture
    one, other = source.array.astype(np.float32), picture.array.astype(np.float32)
    mixed = np.rint(one + (other - one) * weights_HW[..., None])
    return Image.of(mixed.clip(0, 255).astype(np.uint8))


def _places(record: Record) -> list[int]:
    """In how many places each turn edits; 0 for the whole picture."""
    first = record.get("first_turn") or 0
    parts = {row["turn"]: row["parts"] for row in record.get("session_turns") or ()}
    return [
        0 if edit["op"] == "global" else most_places(parts.get(turn) or ())
        for turn, edit in enumerate(record["edits"], first)
    ]


def _in_tone(picture: Image, before: Image, after: Image, seen_HW: Mask) -> Image | None:
    toned_HWC = in_tone(picture.array, before.array, after.array, seen_HW)
    return None if toned_HWC is None else Image.of(toned_HWC)
