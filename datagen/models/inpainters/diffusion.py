"""Inpainting pipelines of diffusers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError
from datagen.imaging.geometry import pad_to_multiple
from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.diffusion.pipeline import DiffusersPipeline, ImageRequest
from datagen.models.generated import Declined, Generated
from datagen.models.inpainters.base import Inpainter


class DiffusersInpainterConfig(DiffusersConfig):
    """Any inpainting pipeline of diffusers: Stable Diffusion, SDXL, FLUX Fill, FLUX.2 Klein, Qwen-Image-Edit."""

    takes: ClassVar[tuple[str, ...]] = ("image", "mask_image", "prompt")
    example: ClassVar[str] = "StableDiffusionXLInpaintPipeline"

    prompt: str = "empty background, nothing there"
    """What is to be seen in the hole, the same for every picture."""

    def load(self, device: str) -> Inpainter:
        """Load the pipeline onto `device`. Raises `SetupError`."""
        return DiffusersInpainter(self, device)


class DiffusersInpainter:
    """Inpaints pictures at their own size, with their sides padded to multiples by mirroring."""

    def __init__(self, config: DiffusersInpainterConfig, device: str) -> None:
        self.pipeline = DiffusersPipeline(config, device)
        self.prompt = config.prompt
        self.multiple = config.multiple

    def __call__(
        self, images: list[NDArray[np.uint8]], masks: list[NDArray[np.bool_]], *, seeds: list[int]
    ) -> list[NDArray[np.uint8]]:
        """See `Inpainter`. Raises `DataError` if the model's safety checker objects."""
        made = self.pipeline.generate([self._request(*each) for each in zip(images, masks, seeds, strict=True)])
        return [_cut(one, image.shape[:2]) for one, image in zip(made, images, strict=True)]

    def _request(self, image_HWC: NDArray[np.uint8], mask_HW: NDArray[np.bool_], seed: int) -> ImageRequest:
        padded_HWC = pad_to_multiple(image_HWC, self.multiple)
        size = (padded_HWC.shape[1], padded_HWC.shape[0])
        return ImageRequest(self.prompt, seed, size, padded_HWC, pad_to_multiple(mask_HW, self.multiple))


def _cut(made: Generated, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if isinstance(made, Declined):
        raise DataError(f"{made.detail}; `safety_checker: leave_out` does without it")
    return made[: shape[0], : shape[1]]
