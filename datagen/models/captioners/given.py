"""Captions from the source."""

from __future__ import annotations

from typing import ClassVar, Literal

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.base import ModelConfig
from datagen.models.captioners.base import Captioner


class GivenConfig(ModelConfig):
    """Takes what the source says."""

    kind: Literal["given"] = "given"
    needs: ClassVar[tuple[str, ...]] = ("given_caption",)

    def load(self, device: str, *, runtime: Runtime) -> Captioner:  # noqa: ARG002
        """The captioner; it needs no device and no runtime."""
        return GivenCaptioner()


class GivenCaptioner:
    """Returns the source's caption, without looking at the picture."""

    async def caption(self, image: Image, *, given: str, record: str) -> str:  # noqa: ARG002
        """See `Captioner`."""
        return given

    async def close(self) -> None:
        """Nothing to close."""
