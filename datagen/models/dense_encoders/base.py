"""The role of dense encoders, which turn each place of a picture into a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


class DenseEncoder(Protocol):
    """Encodes pictures by location. Places that look alike have vectors with a high cosine."""

    def maps(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Features (h, w, D) of each picture, HWC uint8 RGB of any size; each vector has length 1.

        The whole picture is stretched to the model's own size, so that place (y, x) covers the same share of every
        picture's height and width: pictures of one size can be compared place by place.
        """
        ...


def stretched(
    images: Sequence[NDArray[np.uint8]], side: int, *, mean: Sequence[float], std: Sequence[float]
) -> torch.Tensor:
    """Pictures as a batch (B, 3, side, side) float32: bicubic, 0 to 1, less `mean`, over `std` by channel."""
    import torch
    from PIL import Image

    resized = [Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in images]
    pixels_BHWC = np.stack([np.asarray(image, np.float32) for image in resized]) / 255
    normal_BHWC = (pixels_BHWC - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normal_BHWC.transpose(0, 3, 1, 2)))


def unit_maps(features_BDHW: torch.Tensor) -> list[torch.Tensor]:
    """Features as one tensor (h, w, D) a picture, on the CPU; each vector is divided by its length."""
    import torch

    units_BDHW = torch.nn.functional.normalize(features_BDHW.float(), dim=1)
    return list(units_BDHW.permute(0, 2, 3, 1).contiguous().cpu())
