"""Pictures as the families' networks take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from datagen.imaging.image import Pixels


def pixels_of(pictures: Sequence[Pixels]) -> Tensor:
    """Pictures HWC uint8 as B,3,H,W from -1 to 1, with the same bits as diffusers."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
