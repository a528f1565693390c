"""Edited photographs whose changed box is known, with the damage that editing models do to the rest of a picture.

The photographs come with scikit-image. What is tuned is tuned on `TUNED` alone; `HELD_OUT` only says how good it is.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray

from datagen.core.fields import Box
from datagen.imaging.geometry import iou, mask_bounds
from datagen.imaging.image import Mask, Pixels

Split = Literal["tuned", "held_out"]
Damage = Literal["none", "drift", "shift", "jpeg", "halo", "blur", "all"]
Strength = Literal["mild", "strong"]

TUNED = (
    "rocket.jpg",
    "coins.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "astronaut.png",
    "camera.png",
    "clock_motion.png",
)
HELD_OUT = (
    "chelsea.png",
    "motorcycle_left.png",
    "brick.png",
    "grass.png",
    "gravel.png",
    "ihc.png",
    "moon.png",
    "retina.jpg",
)
OPS = ("add", "remove", "erase", "recolour")
"""`erase` is a removal whose hole is inpainted; the others paste a piece of another photograph, or change colour."""
DAMAGES: tuple[Damage, ...] = ("none", "drift", "shift", "jpeg", "halo", "blur", "all")
STRENGTHS: tuple[Strength, ...] = ("mild", "strong")

Floats = NDArray[np.float32]


class TrueEdit(NamedTuple):
    """One edit, the only difference of its pictures but for the damage."""

    source: Pixels
    target: Pixels
    box: Box
    op: str
    photograph: str
    candidates: tuple[Box, ...]
    """Eight boxes in random order, of which one is the truth within a tenth of its sides; the others are wrong."""


@functools.cache
def _photograph(name: str) -> Pixels:
    read = cv2.imread(str(Path(skimage.__file__).parent / "data" / name), cv2.IMREAD_COLOR)
    assert read is not None
    return np.ascontiguousarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


def true_edit(
    number: int, *, split: Split = "tuned", damage: Damage = "none", strength: Strength = "mild", side: int = 256
) -> TrueEdit:
    """Edit `number` of a split: the same pictures at each call. Operations take turns."""
    names = TUNED if split == "tuned" else HELD_OUT
    seed = [len(names), ("tuned", "held_out").index(split), DAMAGES.index(damage), STRENGTHS.index(strength), number]
    rng = np.random.default_rng(seed)
    op = OPS[number % len(OPS)]
    for _ in range(50):
        name = str(rng.choice(names))
        source, target, mask_HW = _edited(rng, _frame(rng, name, side), _frame(rng, str(rng.choice(names)), side), op)
        # an edit that cannot be seen has no true box
        if np.abs(source.astype(int) - target).max(2)[mask_HW].mean() > 10:
            break
    x0, y0, x1, y1 = mask_bounds(mask_HW)
    box = (float(x0), float(y0), float(x1), float(y1))
    spoilt = spoil(rng, target, mask_HW, damage=damage, strength=strength)
    return TrueEdit(source, spoilt, box, op, name, _candidates(rng, box, side))


def _frame(rng: np.random.Generator, name: str, side: int) -> Pixels:
    """A square crop of a photograph, mirrored or not."""
    picture = _photograph(name)
    crop = int(min(picture.shape[:2]) * rng.uniform(0.6, 1))
    y, x = (int(rng.integers(0, length - crop + 1)) for length in picture.shape[:2])
    how = cv2.INTER_AREA if crop > side else cv2.INTER_CUBIC
    small = cv2.resize(picture[y : y + crop, x : x + crop], (side, side), interpolation=how)
    return np.ascontiguousarray(small[:, ::-1] if rng.random() < 0.5 else small, np.uint8)


def _edited(rng: np.random.Generator, plain: Pixels, other: Pixels, op: str) -> tuple[Pixels, Pixels, Mask]:
    side = plain.shape[0]
    area = np.exp(rng.uniform(np.log(0.012), np.log(0.22))) * side**2
    aspect = np.exp(rng.uniform(-0.7, 0.7))
    width, height = (int(np.clip((area * part) ** 0.5, side * 0.055, side * 0.8)) for part in (aspect, 1 / aspect))
    x, y = (int(rng.integers(0, side - length + 1)) for length in (width, height))
    mask_HW = np.zeros((side, side), np.uint8)
    mask_HW[y : y + height, x : x + width] = _blob(rng, height, width)
    soft = cv2.GaussianBlur(mask_HW.astype(np.float32), (0, 0), 0.7 * side / 256)[:, :, None]
    if op == "erase":
        grown = cv2.dilate(mask_HW, np.ones((5, 5), np.uint8))
        return plain, np.asarray(cv2.inpaint(plain, grown, 5, cv2.INPAINT_TELEA), np.uint8), grown.astype(np.bool_)
    painted = _recoloured(rng, plain) if op == "recolour" else np.roll(other, rng.integers(0, side, 2), (0, 1))
    made = (plain * (1 - soft) + painted * soft).round().clip(0, 255).astype(np.uint8)
    return (made, plain, mask_HW > 0) if op == "remove" else (plain, made, mask_HW > 0)


def _blob(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """A smooth outline that touches all four sides of its box; sometimes the box itself."""
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    radius = np.ones_like(angles)
    for wave in range(2, 6):
        radius += rng.normal(0, 0.16 / wave**0.5) * np.cos(wave * angles + rng.uniform(0, 6.3))
    radius = np.clip(radius, 0.35, 2)
    corners = np.stack([radius * np.cos(angles), radius * np.sin(angles)], 1)
    corners = (corners - corners.min(0)) / np.ptp(corners, axis=0) * (width - 1, height - 1)
    mask_HW = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask_HW, [corners.round().astype(np.int32)], 1)
    return np.ones_like(mask_HW) if rng.random() < 0.15 else mask_HW


def _recoloured(rng: np.random.Generator, picture: Pixels) -> Pixels:
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    angle, far = rng.uniform(0, 6.3), rng.uniform(18, 45)
    lab += np.float32([0, far * np.cos(angle), far * np.sin(angle)])
    lab[..., 0] *= rng.uniform(0.8, 1.2)
    return np.asarray(cv2.cvtColor(lab.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB), np.uint8)


def spoil(rng: np.random.Generator, target: Pixels, mask_HW: Mask, *, damage: Damage, strength: Strength) -> Pixels:
    """The damage of an editing model: drift of colour, halo, blur outside the edit, shift, noise and JPEG."""
    hard = strength == "strong"
    several = (3 if hard else 1) if damage == "all" else (2 if hard else 1)
    scale = target.shape[0] / 256
    made = target.astype(np.float32)
    if damage in ("drift", "all"):
        made = _drift(rng, made, 3 if hard and damage == "all" else several)
    if damage in ("halo", "all"):
        distance = cv2.distanceTransform((~mask_HW).astype(np.uint8), cv2.DIST_L2, 5)
        far = np.minimum(distance / (scale * (18 if hard else 8)), 10)
        near = np.exp(-(far**2)) * ~mask_HW
        colour = rng.uniform(-1, 1, 3)
        made += near[:, :, None] * (colour / np.abs(colour).max() * (26 if hard else 14)).astype(np.float32)
    if damage == "blur":
        inside = cv2.GaussianBlur(mask_HW.astype(np.float32), (0, 0), scale)[:, :, None]
        blurred = cv2.GaussianBlur(made, (0, 0), scale * (rng.uniform(1, 1.6) if hard else rng.uniform(0.5, 0.9)))
        made = made * inside + blurred * (1 - inside)
    if damage in ("shift", "all"):
        made = _shift(rng, made, scale * (rng.uniform(2, 3) if several == 3 else rng.uniform(1, 1.5) * several))
    if damage in ("jpeg", "all"):
        made = _jpeg(rng, made, hard=hard)
    return made.round().clip(0, 255).astype(np.uint8)


def _drift(rng: np.random.Generator, made: Floats, much: int) -> Floats:
    gain, offset = 1 + rng.uniform(-0.04, 0.04, 3) * much, rng.uniform(-0.015, 0.015, 3) * much
    gamma = 1 + rng.uniform(-0.06, 0.06) * much
    return np.asarray(((made.clip(0, 255) / 255) ** gamma * gain + offset) * 255, np.float32)


def _shift(rng: np.random.Generator, made: Floats, far: float) -> Floats:
    angle = rng.uniform(0, 6.3)
    matrix = np.array([[1, 0, far * np.cos(angle)], [0, 1, far * np.sin(angle)]])
    size = (made.shape[1], made.shape[0])
    moved = cv2.warpAffine(made, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)


def _jpeg(rng: np.random.Generator, made: Floats, *, hard: bool) -> Floats:
    quality = int(rng.uniform(20, 40) if hard else rng.uniform(60, 80))
    noisy = (made + rng.normal(0, 3 if hard else 1.5, made.shape)).round().clip(0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(noisy, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.float32)


def _candidates(rng: np.random.Generator, box: Box, side: int) -> tuple[Box, ...]:
    """The truth moved a little, and seven boxes that overlap it by less than half."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    sides = np.array([width, height, width, height])

    def clipped(edges: NDArray[np.float64]) -> Box:
        low = np.clip(np.rint(edges[:2]), 0, side - 4)
        high = np.clip(np.rint(edges[2:]), low + 4, side)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def scaled(share: float, jitter: float) -> Box:
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + rng.uniform(-jitter, jitter, 2) * sides[:2] * share**0.5
        half = sides[:2] * share**0.5 / 2
        return clipped(np.concatenate([centre - half, centre + half]))

    def moved(far: float) -> Box:
        angle = rng.uniform(0, 6.3)
        return clipped(np.array(box) + far * sides * np.tile([np.cos(angle), np.sin(angle)], 2))

    def anywhere(low: float, high: float) -> Box:
        start = rng.uniform(0, side - low, 2)
        return clipped(np.concatenate([start, start + rng.uniform(low, high, 2)]))

    def wrong(make: functools.partial[Box]) -> Box:
        while True:
            found = make()
            if iou(found, box) < 0.5:
                return found

    while True:
        near = clipped(np.array(box) + rng.uniform(-0.1, 0.1, 4) * sides)
        if iou(near, box) > 0.65:
            break
    part = functools.partial
    scale = side / 256
    others = [
        part(moved, 0.45), part(scaled, rng.uniform(0.38, 0.46), 0.25), part(scaled, rng.uniform(2.1, 2.8), 0.12),
        part(anywhere, 20 * scale, 180 * scale), part(anywhere, 20 * scale, 180 * scale), part(anywhere, 6 * scale, 7 * scale),
    ]  # fmt: skip
    wholes: list[Box] = [(0.0, 0.0, float(side), float(side))]
    boxes = [near, *wholes, *(wrong_or_random(one, box, part(anywhere, 20 * scale, 180 * scale)) for one in others)]
    return tuple(boxes[index] for index in rng.permutation(len(boxes)))


def wrong_or_random(make: functools.partial[Box], box: Box, otherwise: functools.partial[Box]) -> Box:
    """A box of `make` that overlaps the truth by less than half; after many tries one of `otherwise`."""
    for attempt in range(800):
        found = (make if attempt < 400 else otherwise)()
        if iou(found, box) < 0.5:
            return found
    raise AssertionError(f"no box overlaps {box} by less than half")
