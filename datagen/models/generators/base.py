"""The role of text-to-image generators, which make a picture from a caption."""

from __future__ import annotations

from typing import Protocol

from datagen.models.generated import Generated


class TextToImage(Protocol):
    """Makes pictures from captions."""

    def __call__(self, captions: list[str], *, seeds: list[int]) -> list[Generated]:
        """One picture, HWC uint8 RGB, for each caption, or the reason why there is none; all have one size.

        Random numbers come from each picture's own seed, 0 to 2**63 - 1. No answer depends on the rest of the batch.
        """
        ...
