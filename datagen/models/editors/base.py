"""The role of editors, which edit a picture by an instruction."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from datagen.models.generated import Generated


class Editor(Protocol):
    """Edits pictures by instructions."""

    def __call__(
        self, images: list[NDArray[np.uint8]], instructions: list[str], *, seeds: list[int]
    ) -> list[Generated]:
        """A new picture of the same size for each picture and its instruction, or the reason why there is none.

        `images` are HWC uint8 RGB. Random numbers come from each picture's own seed, 0 to 2**63 - 1. No answer depends
        on the rest of the batch.
        """
        ...
