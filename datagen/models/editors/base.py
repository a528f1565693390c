"""Editors: change a picture as an instruction says."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from datagen.models.base import ModelConfig
from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.generated import Generated


class Editor(Protocol):
    """Pictures edited by instruction."""

    def __call__(
        self, images: list[NDArray[np.uint8]], instructions: list[str], *, seeds: list[int]
    ) -> list[Generated]:
        """HWC uint8 RGB pictures, each with what is to be done to it; new pictures of the same sizes, or why not.

        Each is drawn from its own seed, 0 to 2**63 - 1, and does not depend on the rest of the batch.
        """
        ...


class RulesEditorConfig(ModelConfig):
    """A few edits of the whole picture that words say exactly: brightness, contrast, saturation, grey, sepia, negative,
    blur, sharpness, mirroring. Every other instruction is declined as `not_understood`.
    """

    kind: Literal["rules"] = "rules"
    strength: float = Field(default=0.4, gt=0, le=1)
    """By how much brightness, contrast and saturation change, as a share; likewise blur and sharpness."""

    def load(self, device: str) -> Editor:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        from datagen.models.editors.rules import RulesEditor

        return RulesEditor(strength=self.strength)


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
        from datagen.models.editors.diffusion import DiffusersEditor

        return DiffusersEditor(self, device)


EditorConfig = Annotated[RulesEditorConfig | DiffusersEditorConfig, pydantic.Field(discriminator="kind")]
