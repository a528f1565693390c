"""Boxes as maps of the cells that they cover, for attention that is bound to places."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def box_cells(boxes: Tensor, height: int, width: int) -> Tensor:
    """1 in the cells that a box touches, also if it is smaller than one: B,m,4 (0 to 1) to B,m,height,width."""
    x0, y0, x1, y1 = (boxes[..., edge, None] for edge in range(4))
    rows, columns = (torch.arange(side, device=boxes.device) for side in (height, width))
    across = (columns + 1 > x0 * width) & (columns < x1 * width)
    down = (rows + 1 > y0 * height) & (rows < y1 * height)
    return (down[..., :, None] & across[..., None, :]).to(boxes.dtype)


def cells_at_level(inside: Tensor, cells: int) -> Tensor:
    """The map at the level of a U-Net that has this number of cells; a box that touches a cell covers it."""
    height, width = inside.shape[-2:]
    while height * width > cells:
        height, width = -(-height // 2), -(-width // 2)
    return functional.adaptive_max_pool2d(inside, (height, width))
