"""The role that makes hashes of pictures: near pictures, near bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from datagen.imaging.image import Pixels


class Hasher(Protocol):
    """Hashes of pictures, which `datagen.imaging.perceptual_hash` reads and compares."""

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """One text for each picture, HWC uint8 RGB."""
