"""Select the best mask per box from the outputs of the Segment Anything models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datagen.core.errors import DataError
from datagen.models.segmenters.base import Segmentation

if TYPE_CHECKING:
    import torch


def best_masks(masks_BCHW: torch.Tensor, scores_BC: torch.Tensor) -> list[Segmentation]:
    """For each of B boxes, the best-scored of its C masks. Raises `DataError` if a score is not finite."""
    import torch

    if not bool(torch.isfinite(scores_BC).all()):
        raise DataError("the model's scores are no finite numbers; with float16, try bfloat16 or float32")
    best_B = scores_BC.argmax(dim=1)
    rows = torch.arange(len(best_B), device=best_B.device)
    masks_BHW = masks_BCHW[rows, best_B].cpu().numpy()
    scores = scores_BC[rows, best_B].float().clamp(0, 1).tolist()
    return [Segmentation(np.ascontiguousarray(mask), score) for mask, score in zip(masks_BHW, scores, strict=True)]
