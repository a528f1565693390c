"""Editing pipelines of diffusers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.imaging.geometry import fit_size, resize
from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.diffusion.pipeline import DiffusersPipeline, ImageRequest
from datagen.models.editors.base import Editor
from datagen.models.generated import Declined, Generated


class DiffusersEditorConfig(DiffusersConfig):
    """Any pipeline of diffusers that edits by instruction: InstructPix2Pix, FLUX Kontext, FLUX.2, Qwen-Image-Edit."""

    takes: ClassVar[tuple[str, ...]] = ("image", "prompt")
    lacks: ClassVar[tuple[str, ...]] = ("mask_image",)
    example: ClassVar[str] = "FluxKontextPipeline"

    pixels: int | None = Field(default=1024 * 1024, ge=64 * 64)
    """Pictures are edited at about so many pixels, width times height, and brought back to their own size; null: at
    their own size. InstructPix2Pix was trained at 256 x 256 and is used at 512 x 512, the others at 1024 x 1024."""

    def load(self, device: str) -> Editor:
        """Load the pipeline onto `device`. Raises `SetupError`."""
        return DiffusersEditor(self, device)


class DiffusersEditor:
    """Edits pictures at a size that suits the model, and resizes the results to the pictures' own sizes."""

    def __init__(self, config: DiffusersEditorConfig, device: str) -> None:
        self.pipeline = DiffusersPipeline(config, device)
        self.pixels = config.pixels
        self.multiple = config.multiple

    def __call__(
        self, images: list[NDArray[np.uint8]], instructions: list[str], *, seeds: list[int]
    ) -> list[Generated]:
        """See `Editor`."""
        requests = [self._request(*each) for each in zip(images, instructions, seeds, strict=True)]
        made = self.pipeline.generate(requests)
        return [
            one if isinstance(one, Declined) else resize(one, (image.shape[1], image.shape[0]))
            for one, image in zip(made, images, strict=True)
        ]

    def _request(self, image_HWC: NDArray[np.uint8], instruction: str, seed: int) -> ImageRequest:
        size = fit_size((image_HWC.shape[1], image_HWC.shape[0]), pixels=self.pixels, multiple=self.multiple)
        return ImageRequest(instruction, seed, size, resize(image_HWC, size))
