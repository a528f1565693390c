"""Captions that the source gives."""

from __future__ import annotations

from datagen.imaging.image import Image


class GivenCaptioner:
    """Looks at no picture."""

    async def caption(self, image: Image, *, given: str, record: str) -> str:  # noqa: ARG002
        """See `Captioner`."""
        return given

    async def close(self) -> None:
        """It opened nothing."""
