"""The role of inpainters, which fill the masked pixels of a picture with background."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Inpainter(Protocol):
    """Fills the masked pixels of pictures."""

    def __call__(
        self, images: list[NDArray[np.uint8]], masks: list[NDArray[np.bool_]], *, seeds: list[int]
    ) -> list[NDArray[np.uint8]]:
        """New pictures, each of the size of its original.

        `images` are HWC uint8 RGB, `masks` HW with True where to paint. Pixels outside the mask may change; the caller
        pastes them back. Random numbers come from each picture's own seed, 0 to 2**63 - 1. No answer depends on the
        rest of the batch.
        """
        ...
