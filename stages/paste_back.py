"""Put the source back wherever no edit was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field

from datagen import Answer, Failed, Image, Map, Record, Reject, StageConfig
from datagen.imaging.alignment import outside_l1
from datagen.imaging.change_map import Floats, cached_pixel_map, without_drift
from datagen.imaging.geometry import dilate
from datagen.imaging.global_change import changed_likewise, global_change
from datagen.imaging.image import Mask, Pixels
from datagen.imaging.map_boxes import EditParts, edit_parts
from datagen.imaging.turn_regions import TurnChange, TurnRegion, plain_regions, turn_regions
from datagen.models.box_proposers.base import is_global_edit, most_places


class PasteBack(Map):
    """Make the target equal to the source outside the regions of its edits, and the pictures between likewise.

    The regions are `masks[1]`, `masks[2]`, ..., one for each row of `edits`, grown by `grow_px`; that of a global edit
    is the whole frame. Turn by turn, the region is taken from the picture after it, and the rest from the result of the
    turn before. `pasted_l1` says how far the target was from the source outside all regions, 0 to 1.

    Inside the regions no pixel changes, unless `colours: fitted`: where a model's colours drifted over the whole
    picture, a region would stand out, so that the line for each channel is applied that brings the picture closest to
    the one before outside of the region. With `feather_px`, both are mixed over that distance outside it.

    With `strays: restored`, what a turn changed away from its edit, as the map of its change shows it, is taken out of
    the regions of other turns too, and a turn that edits several places has no region between them. Of a global edit
    that is what one smooth change of tone does not explain (`imaging/global_change.py`); what it covers gets that tone
    as well. Rejects as `stray` where nothing can be restored: a later turn edits a part of it, or changes the whole
    picture by more than its tone.
    """

    reads = ("source", "raw_target", "raw_turns", "masks", "edits")
    optional = ("session_turns", "first_turn")
    writes = ("target", "turns", "pasted_l1")
    rejects = ("stray",)
    version = 3

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
            after = states[number + 1]
            picture = _mixed(before, self._fitted(before, after, found.region), self._weights(found.region))
            if found.stray.any():
                restored: Pixels | None = before.array
                if _is_global(record, number):
                    restored = changed_likewise(before.array, states[number].array, after.array, ~found.stray)
                if restored is None:
                    return Reject("stray", "a turn changes the whole picture, and what was changed elsewhere")
                picture = _mixed(picture, Image.of(restored), self._weights(found.stray) * ~found.edited)
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
            np.ones_like(mask_HW) if _is_global(record, number) else dilate(mask_HW, self.config.grow_px)
            for number, mask_HW in enumerate(record["masks"][1:])
        ]
        if self.config.strays == "kept":
            return plain_regions(boxes)
        changes = [_change(record, number, *pair) for number, pair in enumerate(pairwise(states))]
        return turn_regions(boxes, changes, grow=self.config.grow_px)

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


def _parts(record: Record, number: int) -> Sequence[Mapping[str, Any]]:
    """What the words of a window's turn say, counted from 0; () if that is not known."""
    turn = (record.get("first_turn") or 0) + number
    return next((row["parts"] for row in record.get("session_turns") or () if row["turn"] == turn), ()) or ()


def _is_global(record: Record, number: int) -> bool:
    return is_global_edit(op=record["edits"][number]["op"], scope=None, parts=_parts(record, number))


def _change(record: Record, number: int, before: Image, after: Image) -> TurnChange:
    """What a turn changed, by the maps of its pictures, and by its words in how many places."""
    if _is_global(record, number):
        change = global_change(before.array, after.array)
        return TurnChange(EditParts([], change.strays), change.mirrored)
    change_HW = cached_pixel_map.map(before.array, after.array)
    return TurnChange(edit_parts(change_HW, places=most_places(_parts(record, number))))
