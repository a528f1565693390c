"""Text-to-image pipelines of diffusers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.diffusion.pipeline import DiffusersPipeline, ImageRequest
from datagen.models.generated import Generated
from datagen.models.generators.base import TextToImage


class DiffusersTextToImageConfig(DiffusersConfig):
    """Any pipeline of diffusers that makes a picture of a text: Stable Diffusion, SDXL, FLUX, Qwen-Image."""

    takes: ClassVar[tuple[str, ...]] = ("prompt", "width", "height")
    lacks: ClassVar[tuple[str, ...]] = ("mask_image",)
    example: ClassVar[str] = "FluxPipeline"

    width: int = Field(default=1024, ge=64, le=8192)
    """Width of what is made, in pixels, a multiple of `multiple`."""
    height: int = Field(default=1024, ge=64, le=8192)
    """Its height."""

    @field_validator("width", "height")
    @classmethod
    def _check_side(cls, side: int, info: ValidationInfo) -> int:
        multiple = info.data.get("multiple", 1)
        if side % multiple:
            near = max(1, side // multiple) * multiple
            raise ValueError(f"it is no multiple of {multiple} (`multiple`): take {near}")
        return side

    def load(self, device: str) -> TextToImage:
        """Load the pipeline onto `device`. Raises `SetupError`."""
        return DiffusersTextToImage(self, device)


class DiffusersTextToImage:
    """Makes pictures from captions, all of one size."""

    def __init__(self, config: DiffusersTextToImageConfig, device: str) -> None:
        self.pipeline = DiffusersPipeline(config, device)
        self.size = (config.width, config.height)

    def __call__(self, captions: list[str], *, seeds: list[int]) -> list[Generated]:
        """See `TextToImage`."""
        return self.pipeline.generate(
            [ImageRequest(caption, seed, self.size) for caption, seed in zip(captions, seeds, strict=True)]
        )
