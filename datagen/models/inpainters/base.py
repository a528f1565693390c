"""Inpainters: paint the masked pixels of a picture as if nothing had been there."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.options import PACE
from datagen.models.base import ModelConfig
from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.weights.config import WeightsConfig


class Inpainter(Protocol):
    """Pictures with holes filled."""

    def __call__(
        self, images: list[NDArray[np.uint8]], masks: list[NDArray[np.bool_]], *, seeds: list[int]
    ) -> list[NDArray[np.uint8]]:
        """HWC uint8 RGB pictures, each with the HW mask to paint; new pictures of the same sizes.

        Pixels outside the mask may change, the caller pastes them back. What is drawn at random is drawn from
        each picture's own seed, 0 to 2**63 - 1. No answer depends on the rest of the batch.
        """
        ...


class PatchConfig(ModelConfig):
    """Texture copied from around the hole, coarse to fine, joined without a seam; docs/inpainting.md compares it."""

    kind: Literal["patch"] = "patch"
    margin: int = Field(default=100, ge=16, le=2000)
    """How far around the hole texture is looked for, in pixels."""
    rounds: int = Field(default=3, ge=1, le=20)
    """Searches at each coarse scale; many make it copy whole objects into the hole."""

    def load(self, device: str) -> Inpainter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        from datagen.models.inpainters.patch import PatchInpainter

        return PatchInpainter(margin=self.margin, rounds=self.rounds)


class TeleaConfig(ModelConfig):
    """OpenCV's fast marching (Telea 2004): quick, but smears wide holes."""

    kind: Literal["telea"] = "telea"
    radius: float = Field(default=5, ge=1, le=64)
    """How far around each pixel is looked at, in pixels."""

    def load(self, device: str) -> Inpainter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        from datagen.models.inpainters.telea import TeleaInpainter

        return TeleaInpainter(radius=self.radius)


class LamaConfig(WeightsConfig):
    """LaMa (Suvorov et al. 2022), which MIGE removes subjects with, as a TorchScript file."""

    packages: ClassVar[tuple[str, ...]] = ("torch",)

    kind: Literal["lama"] = "lama"
    precision: Literal["float32"] = "float32"
    """Nothing else, whatever its file holds: in half precision its Fourier transforms are too coarse, and there for
    sides of powers of two alone."""
    batch_size: Annotated[int, PACE] = Field(default=1, ge=1)
    """Pictures of one size that it takes at once; a batch that does not fit into memory is halved, and stays so."""

    def load(self, device: str) -> Inpainter:
        """Load the file onto `device`. Raises `SetupError`."""
        from datagen.models.inpainters.lama import LamaInpainter

        return LamaInpainter(self, device)


class DiffusersInpainterConfig(DiffusersConfig):
    """Any inpainting pipeline of diffusers: Stable Diffusion, SDXL, FLUX Fill, FLUX.2 Klein, Qwen-Image-Edit."""

    takes: ClassVar[tuple[str, ...]] = ("image", "mask_image", "prompt")
    example: ClassVar[str] = "StableDiffusionXLInpaintPipeline"

    prompt: str = "empty background, nothing there"
    """What is to be seen in the hole, the same for every picture."""

    def load(self, device: str) -> Inpainter:
        """Load the pipeline onto `device`. Raises `SetupError`."""
        from datagen.models.inpainters.diffusion import DiffusersInpainter

        return DiffusersInpainter(self, device)


InpainterConfig = Annotated[
    PatchConfig | TeleaConfig | LamaConfig | DiffusersInpainterConfig, pydantic.Field(discriminator="kind")
]
