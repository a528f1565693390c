"""Similarity as the mean difference of pixels: no weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.geometry import resize
from datagen.models.base import ModelConfig
from datagen.models.similarities.base import PictureSimilarity


class PixelSimilarityConfig(ModelConfig):
    """1 less the mean absolute difference of all pixels and channels, over 255. It is no CLIP score."""

    kind: Literal["pixels"] = "pixels"

    def load(self, device: str) -> PictureSimilarity:  # noqa: ARG002 - it needs none
        """The similarity."""
        return PixelSimilarity()


class PixelSimilarity:
    """Compares pixels; the second picture is resized to the first's size."""

    def __call__(self, first: Sequence[NDArray[np.uint8]], second: Sequence[NDArray[np.uint8]]) -> list[float]:
        """See `PictureSimilarity`."""
        return [_similarity(one, other) for one, other in zip(first, second, strict=True)]


def _similarity(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    resized = resize(other, (one.shape[1], one.shape[0]))
    return 1 - float(np.abs(one.astype(np.int16) - resized).mean()) / 255
