"""What editing models do to a picture beside the edit: kinds of damage, each with a strength.

Strength 1 is mild, 2 is strong, 0 is none; values between are between. The values at 1 and 2 of drift, shift, grain and
halo are those of the experiments that the box rule's defaults come from, so these kinds are tuned on. The `HELD_OUT`
ones had no part in it; how the pipeline treats what changed elsewhere was made by them, on tuned photographs. Damage
adds up over a session, as each turn starts from the damaged result of the one before.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from datagen.core.draws import NOISE_DEVIATION, Draws
from datagen.imaging.geometry import mask_bounds
from datagen.imaging.image import Mask, Pixels
from datagen.worlds.colours import COLOURS, tint, tone

DamageKind = Literal["none", "drift", "shift", "grain", "halo", "blur", "elsewhere", "all"]
"""No damage; global colour drift; a shift of a few pixels; noise and JPEG grain; a halo of a colour around the edit;
blur outside of it; a small edit somewhere else; all of them."""
HELD_OUT: Final = ("blur", "elsewhere", "all")
"""Kinds on which no default of the box rule was tuned."""
_FINER = 16
"""Parts of a pixel, and of one blur, in which shifts and blurs are counted."""


class DamagedSession:
    """The damage of one session: what its turns have done to the picture so far."""

    def __init__(self, kind: DamageKind, *, strength: float, draws: Draws) -> None:
        self._kind, self._strength, self._draws = kind, strength, draws
        self._tables = np.stack([np.arange(256, dtype=np.uint8)] * 3)
        self._shift = (0, 0)
        self._blurs = 0
        self._halo_HWC: NDArray[np.int32] | None = None
        self._patches: tuple[Pixels, Mask] | None = None
        """Pixels that edits elsewhere have left, and where."""

    @property
    def shift(self) -> tuple[float, float]:
        """How far the picture has moved since the session's first, in pixels: right and down."""
        return self._shift[0] / _FINER, self._shift[1] / _FINER

    def stray(self, shape: tuple[int, ...]) -> Mask:
        """What edits elsewhere have left, in a picture of this shape that has not moved."""
        return self._patches[1].copy() if self._patches else np.zeros(shape, np.bool_)

    def apply(self, clean_HWC: Pixels, mask_HW: Mask) -> Pixels:
        """The picture that a model returns for the result `clean_HWC` of an edit of the pixels `mask_HW`."""
        if self._kind == "none" or not self._strength:
            return clean_HWC
        image_HWC = clean_HWC
        if self._does("elsewhere"):
            image_HWC = self._edit_elsewhere(image_HWC, mask_HW)
        if self._does("blur"):
            image_HWC = self._blur_outside(image_HWC, mask_HW)
        if self._does("halo"):
            image_HWC = self._add_halo(image_HWC, mask_HW)
        if self._does("drift"):
            image_HWC = self._drift(image_HWC)
        if self._does("shift"):
            image_HWC = self._move(image_HWC)
        return self._add_grain(image_HWC) if self._does("grain") else image_HWC

    def flip(self) -> None:
        """Exchange left and right of what earlier turns left behind."""
        self._shift = (-self._shift[0], self._shift[1])
        if self._halo_HWC is not None:
            self._halo_HWC = self._halo_HWC[:, ::-1].copy()
        if self._patches:
            self._patches = self._patches[0][:, ::-1].copy(), self._patches[1][:, ::-1].copy()

    def change_tone(self, names: Sequence[str]) -> None:
        """Change the tone of what edits elsewhere have left, as a turn does with the whole picture."""
        if self._patches:
            pixels_HWC, place_HW = self._patches
            for name in names:
                pixels_HWC = tone(pixels_HWC, name)
            self._patches = pixels_HWC, place_HW

    def _does(self, kind: DamageKind) -> bool:
        return self._kind in (kind, "all")

    def _at(self, mild: float, strong: float) -> float:
        """A value at the strength of this session, from those at 1 and at 2, and 0 at 0."""
        return mild * self._strength if self._strength <= 1 else mild + (strong - mild) * (self._strength - 1)

    def _signed(self, most: float) -> float:
        return self._draws.between(-most, most)

    def _drift(self, image_HWC: Pixels) -> Pixels:
        """Gain, offset and gamma: up to 4 %, 1.5 % and 6 % at strength 1, three times that at 2."""
        far = self._at(1, 3)
        gamma = 1 + self._signed(0.06 * far)
        for channel in range(3):
            gain, offset = 1 + self._signed(0.04 * far), self._signed(0.015 * far)
            levels = [round(255 * ((level / 255) ** gamma * gain + offset)) for level in range(256)]
            self._tables[channel] = np.clip(levels, 0, 255).astype(np.uint8)[self._tables[channel]]
        return np.stack([self._tables[channel][image_HWC[..., channel]] for channel in range(3)], axis=-1)

    def _move(self, image_HWC: Pixels) -> Pixels:
        """By 1 to 1.5 pixels at strength 1, 2 to 3 at 2, in any direction; what leaves the frame is repeated."""
        angle, far = self._draws.between(0, 2 * math.pi), self._at(1, 2) * self._draws.between(1, 1.5)
        x, y = self._shift
        self._shift = x + round(_FINER * far * math.cos(angle)), y + round(_FINER * far * math.sin(angle))
        return _shifted(image_HWC, self._shift)

    def _add_grain(self, image_HWC: Pixels) -> Pixels:
        """Noise of 1.5 grey levels and JPEG of quality 60 to 80 at strength 1; 3 levels and 20 to 40 at 2."""
        scale = round(65536 * self._at(1.5, 3) / NOISE_DEVIATION)
        noisy_HWC = image_HWC + ((self._draws.noise(image_HWC.shape) * scale + 32768) >> 16)
        quality = round(100 - self._at(30, 70) + self._signed(10))
        file = io.BytesIO()
        Pillow.fromarray(np.clip(noisy_HWC, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
        with Pillow.open(file) as opened:
            return np.array(opened)

    def _add_halo(self, image_HWC: Pixels, mask_HW: Mask) -> Pixels:
        """Up to 14 grey levels within about 8 pixels of the edit at strength 1, 26 within 18 at 2."""
        radius, most = self._at(8, 18), self._at(14, 26)
        colour = [self._signed(1) for _ in range(3)]
        level = np.array([round(256 * most * part / max(map(abs, colour))) for part in colour], np.int32)
        eighths = np.arange(8 * 4 * 18 + 1)
        fall = np.array([round(256 * math.exp(-((step / 8 / radius) ** 2))) for step in eighths], np.int32)
        distance_HW = cv2.distanceTransform((~mask_HW).astype(np.uint8), cv2.DIST_L2, 5)  # huge for an empty mask
        steps_HW = np.rint(np.minimum(distance_HW, eighths[-1] / 8) * 8).astype(np.int32)
        weight_HW = np.where(mask_HW, 0, fall[steps_HW])
        if self._halo_HWC is None:
            self._halo_HWC = np.zeros(image_HWC.shape, np.int32)
        self._halo_HWC[mask_HW] = 0  # what is edited now is painted anew
        self._halo_HWC += (weight_HW[..., None] * level + 32768) >> 16
        haloed_HWC: Pixels = np.clip(image_HWC + self._halo_HWC, 0, 255).astype(np.uint8)
        return haloed_HWC

    def _blur_outside(self, image_HWC: Pixels, mask_HW: Mask) -> Pixels:
        """Once a turn or, at strength 2, twice with 1-2-1 in both directions; the edit stays sharp."""
        self._blurs += round(_FINER * self._at(1, 2))
        soft_HWC, times = image_HWC, self._blurs
        while times > 0:
            softer_HWC = cv2.GaussianBlur(soft_HWC, (3, 3), 0)  # of 8-bit pictures it is exact on every machine
            part = min(times, _FINER)
            mixed_HWC = soft_HWC.astype(np.int32) * (_FINER - part) + softer_HWC.astype(np.int32) * part
            soft_HWC = ((mixed_HWC + _FINER // 2) // _FINER).astype(np.uint8)
            times -= part
        return np.where(mask_HW[..., None], image_HWC, soft_HWC)

    def _edit_elsewhere(self, image_HWC: Pixels, mask_HW: Mask) -> Pixels:
        """A disc of 6 % of the frame's sides at strength 1, 11 % at 2, in another colour, away from the edit."""
        pixels_HWC, place_HW = self._patches or (np.zeros_like(image_HWC), np.zeros_like(mask_HW))
        place_HW[mask_HW] = False  # what is edited now is painted anew
        height, width = mask_HW.shape
        wide, high = (round(side * self._at(0.06, 0.11)) for side in (width, height))
        for _ in range(20):
            x, y = self._draws.below(width - wide), self._draws.below(height - high)
            if not _meets((x, y, x + wide, y + high), mask_HW):
                break
        inside = np.s_[y : y + high, x : x + wide]
        disc_HW = _disc(wide, high) & ~mask_HW[inside]
        if disc_HW.any():
            pixels_HWC[inside] = tint(image_HWC[inside], self._draws.choose(list(COLOURS)), inside_HW=disc_HW)
        place_HW[inside] |= disc_HW
        self._patches = pixels_HWC, place_HW
        return np.where(place_HW[..., None], pixels_HWC, image_HWC)


def _meets(box: tuple[int, int, int, int], mask_HW: Mask) -> bool:
    """Whether a box comes near the bounds of a mask."""
    if not mask_HW.any():
        return False
    x0, y0, x1, y1 = mask_bounds(mask_HW)
    near = 8
    return box[0] < x1 + near and box[2] > x0 - near and box[1] < y1 + near and box[3] > y0 - near


def _disc(width: int, height: int) -> Mask:
    x, y = 2 * np.arange(width) + 1 - width, 2 * np.arange(height) + 1 - height
    inside: Mask = (x[None, :] * height) ** 2 + (y[:, None] * width) ** 2 <= (width * height) ** 2
    return inside


def _shifted(image_HWC: Pixels, shift: tuple[int, int]) -> Pixels:
    """The picture moved right and down by parts of a pixel, bilinearly and in whole numbers."""
    (x, part_x), (y, part_y) = (divmod(-step, _FINER) for step in shift)
    height, width = image_HWC.shape[:2]
    columns, rows = np.arange(width + 1) + x, np.arange(height + 1) + y
    wide = image_HWC[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)].astype(np.int32)
    across = wide[:, :-1] * (_FINER - part_x) + wide[:, 1:] * part_x
    both = across[:-1] * (_FINER - part_y) + across[1:] * part_y
    moved_HWC: Pixels = ((both + _FINER**2 // 2) // _FINER**2).astype(np.uint8)
    return moved_HWC
