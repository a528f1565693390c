"""What a model does not see of an example, so that guidance by words and by the source can be computed."""

from __future__ import annotations

import torch
from torch import Tensor


def dropped(
    number: int,
    generator: torch.Generator,
    *,
    device: torch.device,
    drop_text: float,
    drop_image: float,
    drop_both: float,
) -> tuple[Tensor, Tensor]:
    """Of which examples the model does not see the words, and of which not the source: B bool each.

    One number is drawn for each example, so that the three shares are of examples that exclude each other.
    """
    drawn = torch.rand(number, generator=generator).to(device)
    without_text = (drawn >= drop_image) & (drawn < drop_image + drop_text + drop_both)
    without_both = (drawn >= drop_image + drop_text) & without_text
    return without_text, (drawn < drop_image) | without_both
