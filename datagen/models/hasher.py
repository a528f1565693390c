"""The role that makes hashes of pictures: near pictures, near bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from datagen.image import Pixels
from datagen.models.base import ModelConfig
from datagen.options import Options


class Hasher(Protocol):
    """Hashes of pictures, which `datagen.hashes` reads and compares."""

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """One text for each picture, HWC uint8 RGB."""


class PhashConfig(ModelConfig):
    """The perceptual hash of ImageHash: signs of low frequencies of the grey picture, against their median."""

    kind: Literal["phash"] = "phash"
    side: Literal[8, 16, 24] = 16
    """Its square is the number of bits. 64 are too few for a million pictures: unrelated ones meet by chance."""

    def load(self, device: str) -> Hasher:  # noqa: ARG002
        """Ready to use; it runs on a core."""
        from datagen.models.phash_hasher import PhashHasher

        return PhashHasher(self.side)


HasherConfig = PhashConfig
"""Every kind of hasher, told apart by `kind`."""


class HasherOptions(Options):
    """A hasher that is named outside a stage."""

    hasher: HasherConfig
    """What makes the hashes."""
