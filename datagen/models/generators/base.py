"""Text-to-image models: make a picture of what a caption says."""

from __future__ import annotations

from typing import Protocol

from datagen.models.generated import Generated


class TextToImage(Protocol):
    """Pictures made of captions."""

    def __call__(self, captions: list[str], *, seeds: list[int]) -> list[Generated]:
        """One picture for each caption, all of one size, or why there is none.

        Each is drawn from its own seed, 0 to 2**63 - 1, and does not depend on the rest of the batch.
        """
        ...
