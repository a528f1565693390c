"""Inpainters: paint the masked pixels of a picture as if nothing had been there."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from datagen.models.base import ModelConfig


class Inpainter(Protocol):
    """Pictures with holes filled."""

    def __call__(self, images: list[NDArray[np.uint8]], masks: list[NDArray[np.bool_]]) -> list[NDArray[np.uint8]]:
        """HWC uint8 RGB pictures, each with the HW mask to paint; new pictures of the same sizes.

        Pixels outside the mask may change, the caller pastes them back. No answer depends on the rest of the batch.
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
        from datagen.models.patch_inpainter import PatchInpainter

        return PatchInpainter(margin=self.margin, rounds=self.rounds)


class TeleaConfig(ModelConfig):
    """OpenCV's fast marching (Telea 2004): quick, but smears wide holes."""

    kind: Literal["telea"] = "telea"
    radius: float = Field(default=5, ge=1, le=64)
    """How far around each pixel is looked at, in pixels."""

    def load(self, device: str) -> Inpainter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        from datagen.models.telea_inpainter import TeleaInpainter

        return TeleaInpainter(radius=self.radius)


InpainterConfig = Annotated[PatchConfig | TeleaConfig, pydantic.Field(discriminator="kind")]
