"""The perceptual hash of the ImageHash package."""

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
        """Number of bits of a hash."""
        return self.side**2

    @property
    def by(self) -> str:
        """The name of the method, which each hash begins with."""
        return f"phash{self.bits}"

    def load(self, device: str) -> Hasher:  # noqa: ARG002
        """The hasher; it computes on the CPU, whatever the device."""
        return PhashHasher(self.side, by=self.by)


class PhashHasher:
    """Makes hashes of `side` x `side` bits."""

    def __init__(self, side: int, *, by: str) -> None:
        self._side = side
        self._by = by

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """See `Hasher`."""
        import imagehash

        hashes = [imagehash.phash(Pillow.fromarray(picture_HWC), hash_size=self._side) for picture_HWC in pictures]
        return [format_hash(each.hash, by=self._by) for each in hashes]
