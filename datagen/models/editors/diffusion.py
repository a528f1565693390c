"""Editing by a pipeline of diffusers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.geometry import fitted, resized
from datagen.models.diffusion.pipeline import Pipeline, Wish
from datagen.models.editors.base import DiffusersEditorConfig
from datagen.models.generated import Declined, Generated


class DiffusersEditor:
    """Edits pictures at a size that suits the model, and brings them back to their own."""

    def __init__(self, config: DiffusersEditorConfig, device: str) -> None:
        self.pipeline = Pipeline(config, device)
        self.pixels = config.pixels
        self.multiple = config.multiple

    def __call__(
        self, images: list[NDArray[np.uint8]], instructions: list[str], *, seeds: list[int]
    ) -> list[Generated]:
        """See `Editor`."""
        wishes = [self._wish(*each) for each in zip(images, instructions, seeds, strict=True)]
        made = self.pipeline.make(wishes)
        return [
            one if isinstance(one, Declined) else resized(one, (image.shape[1], image.shape[0]))
            for one, image in zip(made, images, strict=True)
        ]

    def _wish(self, image_HWC: NDArray[np.uint8], instruction: str, seed: int) -> Wish:
        size = fitted((image_HWC.shape[1], image_HWC.shape[0]), pixels=self.pixels, multiple=self.multiple)
        return Wish(instruction, seed, size, resized(image_HWC, size))
