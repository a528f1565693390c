"""Editors: change a picture as an instruction says."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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
