"""Hash pictures, so that near copies can be found."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from datagen import Answer, Map, Record, StageConfig
from datagen.models.hashers import HasherConfig
from datagen.models.hashers.phash import PhashConfig


class HashPicture(Map):
    """Write a hash of the picture; similar pictures differ in few bits.

    `output.near_duplicates` and `decontaminate` compare the hashes.
    """

    reads = ("image",)
    writes = ("picture_hash",)
    version = 1

    class Config(StageConfig):
        """How the hash is made."""

        hasher: HasherConfig = Field(default=PhashConfig())
        """What makes it."""

    config: Config

    @classmethod
    def hash_bits(cls, config: Config) -> Mapping[str, int]:
        """Bits of the hasher."""
        return {"picture_hash": config.hasher.bits}

    @classmethod
    def hash_makers(cls, config: Config) -> Mapping[str, tuple[str, ...]]:
        """The hasher."""
        return {"picture_hash": (config.hasher.by,)}

    def setup(self, device: str) -> None:
        """Load the hasher."""
        self.hasher = self.config.hasher.load(device)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Hash each picture."""
        return [{"picture_hash": text} for text in self.hasher([record["image"].array for record in batch])]
