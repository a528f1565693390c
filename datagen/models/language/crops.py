"""Views of a subject for a vision-language model."""

from __future__ import annotations

import numpy as np

from datagen.imaging.geometry import center_on_square, mask_bounds
from datagen.imaging.image import Image, Mask

_MARGIN = 0.05
"""White border around the subject, as a share of its longer side."""


def cut_out(image: Image, mask_HW: Mask) -> Image:
    """The RGB pixels of a mask on a white square; the mask must not be empty."""
    return Image.of(center_on_square(image.array, mask_HW, level=255, margin=_MARGIN))


def crop(image: Image, mask_HW: Mask) -> Image:
    """The RGB pixels of the bounding box of a mask; the mask must not be empty."""
    x0, y0, x1, y1 = mask_bounds(mask_HW)
    return Image.of(np.ascontiguousarray(image.array[y0:y1, x0:x1]))
