"""The result type of editors and generators: a picture, or the reason why there is none."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Declined(NamedTuple):
    """The model made no picture, for this reason."""

    reason: Literal["unsafe", "not_understood"]
    """`unsafe`: a safety checker objected. `not_understood`: the editor has no rule for the instruction."""
    detail: str
    """One sentence for people."""


Generated = NDArray[np.uint8] | Declined
"""The answer to one request: a picture, HWC uint8 RGB, or why there is none."""
