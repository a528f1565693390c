"""Scenes: a background and objects, which render to a picture. An edit of a scene is the next scene.

A scene is a value: it never changes, and the same scene renders to the same bytes. So an undo is the earlier scene, and
a scene from which an object was removed is the scene that never had it. A scene can be built in any way, by drawing it
at random (`session`) or from a graph of objects and relations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image as Pillow

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.core.fields import Box, Polygon
from datagen.imaging.image import Mask, Pixels
from datagen.worlds.colours import QUIET, QuietTone, tone
from datagen.worlds.photographs import photograph_pixels
from datagen.worlds.sprites import Look, Sprite, draw_sprite


@dataclass(frozen=True)
class Background:
    """A part of a photograph that fills the frame."""

    uri: str
    base: str
    """The folder from which the address counts."""
    sha256: str
    x: float
    """Left edge of the part, as a share of what there is beside it: 0 to 1."""
    y: float
    """The same of its upper edge."""
    share: float
    """Size of the part over the largest that fits into the photograph, 0 to 1."""
    mirrored: bool = False
    """Whether left and right are exchanged."""
    tones: tuple[str, ...] = ()
    """Changes of tone, in their order."""

    def render(self, size: tuple[int, int]) -> Pixels:
        """Its pixels at `size` (width, height), read-only."""
        pixels_HWC = _part(self.uri, self.base, self.sha256, (self.x, self.y, self.share), size)
        return _toned(pixels_HWC, self.tones, mirrored=self.mirrored)


@dataclass(frozen=True)
class PlainBackground:
    """A quiet tone with a mild gradient and grain that fills the frame."""

    tone: QuietTone
    seed: int = 0
    """Draws the gradient and the grain."""
    mirrored: bool = False
    """Whether left and right are exchanged."""
    tones: tuple[str, ...] = ()
    """Changes of tone, in their order."""

    def render(self, size: tuple[int, int]) -> Pixels:
        """Its pixels at `size` (width, height), read-only."""
        return _toned(_plain(self.tone, self.seed, size), self.tones, mirrored=self.mirrored)


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene. Its box is in whole pixels and lies inside the frame."""

    id: int
    """Its number in the scene, from 1. What replaces an object keeps the number."""
    look: Look
    x: int
    y: int
    width: int
    height: int
    colour: str = ""
    """A name of `COLOURS`; '' for a cutout in its own colours."""
    seed: int = 0
    """Draws the texture of a shape."""
    shadow: float = 0
    """Strength of the contact shadow below it, 0 (none) to 1."""
    mirrored: bool = False
    tones: tuple[str, ...] = ()
    """Changes of the whole picture's tone since it came or was recoloured."""
    node: str = ""
    """The id of its node, where the scene was made from a graph."""

    @property
    def label(self) -> str:
        """What it is."""
        return self.look.label

    @property
    def attributes(self) -> tuple[str, ...]:
        """Words that describe it."""
        return (self.colour,) if self.colour else ()

    @property
    def box(self) -> Box:
        """xyxy in pixels, end excluded."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @property
    def outline(self) -> list[Polygon]:
        """Its polygons in pixels of the frame."""
        parts = self.look.outline
        placed = [[(1 - x if self.mirrored else x, y) for x, y in part] for part in parts]
        return [[(self.x + x * self.width, self.y + y * self.height) for x, y in part] for part in placed]

    def sprite(self) -> Sprite:
        """Its pixels, as large as its box."""
        drawn = draw_sprite(self.look, (self.width, self.height), self.colour, self.seed)
        alpha_HW = drawn.alpha_HW[:, ::-1] if self.mirrored else drawn.alpha_HW
        return Sprite(_toned(drawn.rgb_HWC, self.tones, mirrored=self.mirrored), alpha_HW)

    def mask(self, size: tuple[int, int]) -> Mask:
        """The pixels of a frame of `size` (width, height) that it covers at least by half, its shadow left out."""
        mask_HW = np.zeros((size[1], size[0]), np.bool_)
        mask_HW[self.y : self.y + self.height, self.x : self.x + self.width] = self.sprite().alpha_HW >= 128
        return mask_HW


class SpatialRelation(NamedTuple):
    """How one object of a scene stands to another, by their numbers."""

    subject: int
    predicate: str
    """`left of`, `right of`, `above`, `below` or `on`."""
    object: int


@dataclass(frozen=True)
class Scene:
    """What a picture shows. Later objects lie over earlier ones.

    Raises `DataError` if an object leaves the frame, or two have one number.
    """

    width: int
    height: int
    background: Background | PlainBackground
    objects: tuple[SceneObject, ...] = ()

    def __post_init__(self) -> None:
        if len({thing.id for thing in self.objects}) < len(self.objects):
            raise DataError(f"two objects have one number, of {[thing.id for thing in self.objects]}")
        for thing in self.objects:
            x0, y0, x1, y1 = thing.box
            if not (0 <= x0 < x1 <= self.width and 0 <= y0 < y1 <= self.height):
                raise DataError(f"object {thing.id}, box {thing.box}, leaves the frame of {self.width}x{self.height}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def get(self, id: int) -> SceneObject | None:
        """The object with a number; None if the scene has none."""
        return next((thing for thing in self.objects if thing.id == id), None)

    def render(self) -> Pixels:
        """The picture, HWC uint8 RGB."""
        canvas_HWC = self.background.render(self.size).copy()
        for thing in self.objects:
            if thing.shadow:
                _cast_shadow(canvas_HWC, thing)
            rgb_HWC, alpha_HW = thing.sprite()
            place = canvas_HWC[thing.y : thing.y + thing.height, thing.x : thing.x + thing.width]
            place[:] = _blend(place, rgb_HWC, alpha_HW)
        return canvas_HWC

    def relations(self) -> list[SpatialRelation]:
        """How every two objects stand to each other, where their boxes say so clearly."""
        pairs = ((one, other) for one in self.objects for other in self.objects if one.id != other.id)
        return [SpatialRelation(a.id, said, b.id) for a, b in pairs if (said := _predicate(a.box, b.box))]

    # Edits: each returns the next scene

    def add(self, thing: SceneObject) -> Scene:
        """With one more object, whose number is new to the scene."""
        return replace(self, objects=(*self.objects, thing))

    def remove(self, id: int) -> Scene:
        """Without an object."""
        return replace(self, objects=tuple(thing for thing in self.objects if thing.id != id))

    def recolour(self, id: int, *, colour: str) -> Scene:
        """With an object in another colour, as it looks in a picture whose tone never changed."""
        return self._with(id, lambda thing: replace(thing, colour=colour, tones=()))

    def move(self, id: int, *, x: int, y: int) -> Scene:
        """With the upper left corner of an object's box elsewhere."""
        return self._with(id, lambda thing: replace(thing, x=x, y=y))

    def replace(self, id: int, *, thing: SceneObject) -> Scene:
        """With something else in an object's stead, under its number."""
        return self._with(id, lambda _: replace(thing, id=id))

    def change_tone(self, name: str) -> Scene:
        """With another tone of all of it: one of `colours.TONES`."""
        return replace(
            self,
            background=replace(self.background, tones=(*self.background.tones, name)),
            objects=tuple(replace(thing, tones=(*thing.tones, name)) for thing in self.objects),
        )

    def flip(self) -> Scene:
        """With left and right exchanged."""
        return replace(
            self,
            background=replace(self.background, mirrored=not self.background.mirrored),
            objects=tuple(
                replace(thing, x=self.width - thing.x - thing.width, mirrored=not thing.mirrored)
                for thing in self.objects
            ),
        )

    def _with(self, id: int, change: Callable[[SceneObject], SceneObject]) -> Scene:
        return replace(self, objects=tuple(change(thing) if thing.id == id else thing for thing in self.objects))


def change_of(before_HWC: Pixels, after_HWC: Pixels) -> Pixels:
    """How far two pictures of one size differ at each pixel: HW uint8, the channel that differs most."""
    red, green, blue = cv2.split(cv2.absdiff(before_HWC, after_HWC))
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def changed_pixels(before_HWC: Pixels, after_HWC: Pixels) -> Mask:
    """The pixels in which two pictures of one size differ, HW bool."""
    mask_HW: Mask = change_of(before_HWC, after_HWC) > 0
    return mask_HW


@lru_cache(maxsize=16)
def _part(uri: str, base: str, sha256: str, place: tuple[float, float, float], size: tuple[int, int]) -> Pixels:
    """A part of a photograph with the frame's aspect ratio, at the frame's size."""
    pixels, _ = photograph_pixels(uri, base=base, sha256=sha256)
    height, width = pixels.shape[:2]
    x, y, share = place
    # Whole pixels of the photograph: Pillow resizes 8-bit pictures by integers, so that no machine rounds otherwise.
    fit = min(width / size[0], height / size[1]) * share
    wide, high = max(1, int(size[0] * fit)), max(1, int(size[1] * fit))
    left, top = int(x * (width - wide)), int(y * (height - high))
    cut = Pillow.fromarray(pixels[top : top + high, left : left + wide])
    resized = np.array(cut.resize(size, Pillow.Resampling.BICUBIC))
    resized.setflags(write=False)
    return resized


@lru_cache(maxsize=16)
def _plain(name: QuietTone, seed: int, size: tuple[int, int]) -> Pixels:
    draws = Draws(seed, "plain")
    across, down = draws.below(33) - 16, draws.below(33) - 16
    y, x = np.mgrid[: size[1], : size[0]].astype(np.int32)
    levels_HW = across * x // size[0] + down * y // size[1] - (across + down) // 2
    levels_HW += draws.noise((size[1], size[0])) >> 6
    plain_HWC: Pixels = np.clip(np.array(QUIET[name], np.int32) + levels_HW[..., None], 0, 255).astype(np.uint8)
    plain_HWC.setflags(write=False)
    return plain_HWC


def _toned(image_HWC: Pixels, tones: tuple[str, ...], *, mirrored: bool) -> Pixels:
    for name in tones:
        image_HWC = tone(image_HWC, name)
    return image_HWC[:, ::-1] if mirrored else image_HWC


def _blend(below_HWC: Pixels, over_HWC: Pixels, alpha_HW: Pixels) -> Pixels:
    """One picture over another; alpha 0 leaves what is below to the byte, 255 hides it."""
    alpha = alpha_HW[..., None].astype(np.uint32)
    blended_HWC: Pixels = ((below_HWC * (255 - alpha) + over_HWC * alpha + 127) // 255).astype(np.uint8)
    return blended_HWC


def shadow_box(thing: SceneObject) -> tuple[int, int, int, int]:
    """Where an object's contact shadow may lie: below its foot, xyxy in pixels; it may reach beyond the frame."""
    reach = max(2, thing.height // 8)
    return thing.x, thing.y + thing.height - reach, thing.x + thing.width, thing.y + thing.height + reach


def _cast_shadow(canvas_HWC: Pixels, thing: SceneObject) -> None:
    x0, y0, x1, y1 = shadow_box(thing)
    dark_HW = _shadow((x1 - x0, y1 - y0), round(thing.shadow * 200))
    bottom = min(y1, canvas_HWC.shape[0])
    place = canvas_HWC[y0:bottom, x0:x1]
    place[:] = _blend(place, np.zeros_like(place), dark_HW[: bottom - y0])


@lru_cache(maxsize=256)
def _shadow(size: tuple[int, int], darkness: int) -> Pixels:
    """An ellipse that fades to its edge, `darkness` (0 to 255) in its middle."""
    x, y = (np.abs(2 * np.arange(side) + 1 - side) * 1024 // side for side in size)
    inside = np.clip(2**20 - (x[None, :] ** 2 + y[:, None] ** 2), 0, None).astype(np.int64)
    dark_HW: Pixels = (inside * darkness >> 20).astype(np.uint8)
    return dark_HW


def _predicate(a: Box, b: Box) -> str:
    """How box `a` stands to box `b`; '' where that is not clear."""
    if b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]:
        return "on"
    across = b[0] - a[2] if a[2] <= b[0] else a[0] - b[2]
    down = b[1] - a[3] if a[3] <= b[1] else a[1] - b[3]
    if max(across, down) < 0:
        return ""
    if across >= down:
        return "left of" if a[2] <= b[0] else "right of"
    return "above" if a[3] <= b[1] else "below"
