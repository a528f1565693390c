"""Perceptual hashes by ImageHash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from PIL import Image as Pillow

from datagen.imaging.image import Pixels
from datagen.imaging.perceptual_hash import format_hash
from datagen.models.base import ModelConfig
from datagen.models.hashers.base import Hasher


class PhashConfig(ModelConfig):
    """The perceptual hash of ImageHash: signs of low frequencies of the grey picture, against their median."""

    kind: Literal["phash"] = "phash"
    side: Literal[8, 16, 24] = 16
    """Its square is the number of bits. 64 are too few for a million pictures: unrelated ones meet by chance."""

    @property
    def bits(self) -> int:
        """How many bits a hash has."""
        return self.side**2

    @property
    def by(self) -> str:
        """What its hashes say that they were made by."""
        return f"phash{self.bits}"

    def load(self, device: str) -> Hasher:  # noqa: ARG002
        """Ready to use; it runs on a core."""
        return PhashHasher(self.side, by=self.by)


class PhashHasher:
    """Hashes of `side` x `side` bits."""

    def __init__(self, side: int, *, by: str) -> None:
        self._side = side
        self._by = by

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """Hash each picture."""
        return [self._hashed(picture) for picture in pictures]

    def _hashed(self, picture_HWC: Pixels) -> str:
        import imagehash

        found = imagehash.phash(Pillow.fromarray(picture_HWC), hash_size=self._side)
        return format_hash(found.hash, by=self._by)
