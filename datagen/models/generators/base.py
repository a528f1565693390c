"""Text-to-image models: make a picture of what a caption says."""

from __future__ import annotations

from typing import ClassVar, Protocol

from pydantic import Field, ValidationInfo, field_validator

from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.generated import Generated


class TextToImage(Protocol):
    """Pictures made of captions."""

    def __call__(self, captions: list[str], *, seeds: list[int]) -> list[Generated]:
        """One picture for each caption, all of one size, or why there is none.

        Each is drawn from its own seed, 0 to 2**63 - 1, and does not depend on the rest of the batch.
        """
        ...


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
    def _is_multiple(cls, side: int, told: ValidationInfo) -> int:
        multiple = told.data.get("multiple", 1)
        if side % multiple:
            near = max(1, side // multiple) * multiple
            raise ValueError(f"it is no multiple of {multiple} (`multiple`): take {near}")
        return side

    def load(self, device: str) -> TextToImage:
        """Load the pipeline onto `device`. Raises `SetupError`."""
        from datagen.models.generators.diffusion import DiffusersTextToImage

        return DiffusersTextToImage(self, device)


TextToImageConfig = DiffusersTextToImageConfig
