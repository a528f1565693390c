"""Hash what an edit changed, so that two edits of one picture can be distinguished."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from datagen import Answer, Map, Record, StageConfig
from datagen.imaging.change import PLACE_BITS, change_box, change_picture, unary
from datagen.models.hashers.phash import PhashConfig


class HashChange(Map):
    """Write where source and target differ, and a hash of their difference there.

    A hash of a whole picture hardly notices a small edit: two coins added to one picture, one after the other, are two
    edits and yet nearly the same pictures. If nothing differs, or the pictures' shapes do, the whole frame is hashed.
    """

    reads = ("source", "target")
    writes = ("change_place", "change_hash")
    version = 1

    class Config(StageConfig):
        """How a change is seen, and hashed."""

        hasher: PhashConfig = Field(default=PhashConfig())
        """What makes the hash of the difference."""
        min_difference: float = Field(default=16, gt=0, lt=255)
        """Grey levels by which a pixel has to differ, at long side 256."""
        context: float = Field(default=0.25, ge=0, le=4)
        """How much around the change is hashed with it, in its width and height, on each side."""

    config: Config

    @classmethod
    def hash_bits(cls, config: Config) -> Mapping[str, int]:
        """Bits of the place and of the hasher."""
        return {"change_place": PLACE_BITS, "change_hash": config.hasher.bits}

    def setup(self, device: str) -> None:
        """Load the hasher."""
        self.hasher = self.config.hasher.load(device)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Hash each pair."""
        return [self._hashed(record) for record in batch]

    def _hashed(self, record: Record) -> Answer:
        source, target = record["source"].array, record["target"].array
        box = change_box(source, target, min_difference=self.config.min_difference)
        [found] = self.hasher([change_picture(source, target, box, context=self.config.context)])
        return {"change_place": unary(box), "change_hash": found}
