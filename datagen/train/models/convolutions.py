"""Convolutions that take more channels than they were trained on."""

from __future__ import annotations

from torch import nn
from torch.nn import functional


def widened(old: nn.Conv2d, channels: int) -> nn.Conv2d:
    """A convolution of so many input channels, of which those that `old` lacks count for nothing yet."""
    new = nn.Conv2d(channels, old.out_channels, old.kernel_size, old.stride, old.padding)  # type: ignore[arg-type]
    zeros = (0, 0, 0, 0, 0, channels - old.in_channels)
    new.load_state_dict({"weight": functional.pad(old.weight, zeros), "bias": old.bias})
    return new
