"""What a model that makes pictures gives back."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Declined(NamedTuple):
    """No picture, and why."""

    reason: Literal["unsafe", "not_understood"]
    detail: str


Generated = NDArray[np.uint8] | Declined
"""What is made of one wish: a picture, HWC uint8 RGB, or why there is none."""
