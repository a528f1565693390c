"""Generate a picture from a caption."""

from __future__ import annotations

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.imaging.image import Image
from datagen.models.generated import Declined
from datagen.models.generators import TextToImageConfig


class GenerateImage(Map):
    """Generate a picture of what the caption says.

    Rejects as `unsafe` what the model's own safety checker refuses. An empty caption fails its record.
    """

    reads = ("caption",)
    writes = ("image",)
    rejects = ("unsafe",)
    version = 1

    class Config(StageConfig):
        """Who makes it."""

        generator: TextToImageConfig
        """The model that makes it."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the model."""
        self.generator = self.config.generator.load(device)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Make a picture for each record."""
        captioned = [record for record in batch if record["caption"].strip()]
        made = dict(zip([record.id for record in captioned], self._made(captioned), strict=True))
        return [made.get(record.id, Failed("the caption is empty")) for record in batch]

    def _made(self, records: list[Record]) -> list[Answer]:
        made = self.generator(
            [record["caption"] for record in records],
            # a seed of each record's own: how records are batched changes no picture
            seeds=[int(self.rng(record).integers(2**63)) for record in records],
        )
        return [Reject(*one) if isinstance(one, Declined) else {"image": Image.of(one)} for one in made]
