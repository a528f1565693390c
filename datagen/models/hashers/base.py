"""The role that makes hashes of pictures: near pictures, near bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

from pydantic import Field

from datagen.core.options import Options
from datagen.imaging.image import Pixels
from datagen.models.base import ModelConfig
from datagen.models.embedders.base import EmbedderConfig


class Hasher(Protocol):
    """Hashes of pictures, which `datagen.imaging.perceptual_hash` reads and compares."""

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """One text for each picture, HWC uint8 RGB."""


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
        from datagen.models.hashers.phash import PhashHasher

        return PhashHasher(self.side, by=self.by)


class EmbeddingHashConfig(ModelConfig):
    """Which side of random planes a picture's embedding lies on: look-alikes differ in few bits, not copies alone.

    Embeddings of cosine c differ in bits * arccos(c) / pi on average: of 512, 52 at 0.95, 74 at 0.9,
    give or take some 7.
    """

    kind: Literal["embedding"] = "embedding"
    embedder: EmbedderConfig
    """What embeds the pictures."""
    bits: int = Field(default=512, ge=64, le=4096, multiple_of=64)
    """How many planes there are; the more, the closer their share is to the angle."""

    @property
    def by(self) -> str:
        """What its hashes say that they were made by."""
        return f"{self.embedder.revision}/{self.bits}"

    def load(self, device: str) -> Hasher:
        """The embedder, loaded. Raises `SetupError`."""
        from datagen.models.hashers.embedding import EmbeddingHasher

        return EmbeddingHasher(self.embedder.load(device), bits=self.bits, by=self.by)


HasherConfig = Annotated[PhashConfig | EmbeddingHashConfig, Field(discriminator="kind")]
"""Every kind of hasher, told apart by `kind`."""


class HasherOptions(Options):
    """A hasher that is named outside a stage."""

    hasher: HasherConfig
    """What makes the hashes."""
