"""Perceptual hashes by ImageHash."""

from __future__ import annotations

from collections.abc import Sequence

import imagehash
from PIL import Image as Pillow

from datagen.imaging.image import Pixels
from datagen.imaging.perceptual_hash import hash_text


class PhashHasher:
    """Hashes of `side` x `side` bits."""

    def __init__(self, side: int, *, by: str) -> None:
        self._side = side
        self._by = by

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """Hash each picture."""
        return [self._hashed(picture) for picture in pictures]

    def _hashed(self, picture_HWC: Pixels) -> str:
        found = imagehash.phash(Pillow.fromarray(picture_HWC), hash_size=self._side)
        return hash_text(found.hash, by=self._by)
