"""Inpainters: paint the masked pixels of a picture as if nothing had been there."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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
