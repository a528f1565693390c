"""Text-to-image by a pipeline of diffusers."""

from __future__ import annotations

from datagen.models.diffusion.pipeline import Pipeline, Wish
from datagen.models.generated import Generated
from datagen.models.generators.base import DiffusersTextToImageConfig


class DiffusersTextToImage:
    """Makes pictures of captions, all of one size."""

    def __init__(self, config: DiffusersTextToImageConfig, device: str) -> None:
        self.pipeline = Pipeline(config, device)
        self.size = (config.width, config.height)

    def __call__(self, captions: list[str], *, seeds: list[int]) -> list[Generated]:
        """See `TextToImage`."""
        return self.pipeline.make(
            [Wish(caption, seed, self.size) for caption, seed in zip(captions, seeds, strict=True)]
        )
