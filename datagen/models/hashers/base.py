"""The role of picture hashers, whose hashes of similar pictures differ in few bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from datagen.imaging.image import Pixels


class Hasher(Protocol):
    """Makes hashes of pictures, which `datagen.imaging.perceptual_hash` parses and compares."""

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """One hash, as text, for each picture, HWC uint8 RGB."""
