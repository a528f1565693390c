"""What a model that makes pictures gives back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Generated(NamedTuple):
    """One picture that a model made."""

    image: NDArray[np.uint8]
    """HWC uint8 RGB."""
    unsafe: bool = False
    """The model's own safety checker objected to it, and blackened it."""
