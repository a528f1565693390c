"""LPIPS (Zhang et al. 2018, arXiv:1801.03924), version 0.1, on AlexNet: from its published weights alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.errors import SetupError
from datagen.models.perceptual_distances.base import PerceptualDistance
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_errors_explained

if TYPE_CHECKING:
    import torch

LEAST_SIDE = 31
"""Pixels: of smaller pictures AlexNet leaves nothing."""
_MEAN, _STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""By channel, of pictures from -1 to 1, as its authors scale them."""
_ENDS = (1, 4, 7, 9, 11)
"""Layers of torchvision's AlexNet whose outputs are compared: each ReLU."""
_WIDTHS = (64, 192, 384, 256, 256)
_EPSILON = 1e-10


class LpipsConfig(WeightsConfig):
    """LPIPS on AlexNet, from two files: torchvision's AlexNet, and the heads that its authors publish."""

    kind: Literal["lpips"] = "lpips"
    packages: ClassVar[tuple[str, ...]] = ("torch", "torchvision")
    fetched: ClassVar[tuple[str, ...]] = ("*.pth",)

    backbone: str = Field(default="alexnet-owt-7be5be79.pth", min_length=1)
    """The file of AlexNet in the folder `weights`, as torchvision publishes it."""
    heads: str = Field(default="alex.pth", min_length=1)
    """The file of the five linear heads, as the package `lpips` has it in weights/v0.1."""

    def load(self, device: str) -> PerceptualDistance:
        """The distance. Raises `SetupError`."""
        return lpips_distance(self, device=device)


def lpips_distance(config: LpipsConfig, *, device: str) -> Lpips:
    """LPIPS with all of its weights. Raises `SetupError`."""
    dtype = config.prepare(device)
    import torch
    from torchvision.models import alexnet

    folder = config.weights_path()
    for name in (config.backbone, config.heads):
        if not (folder / name).is_file():
            raise SetupError(f"{config.weights} has no file {name}; LPIPS needs {config.backbone} and {config.heads}")
    with load_errors_explained(config, "model"):
        with torch.device("meta"):  # its classifier, nine tenths of it, is not needed
            layers = alexnet(weights=None).features
        named = _tensors(folder / config.backbone).items()
        features = {name.removeprefix("features."): tensor for name, tensor in named if name.startswith("features.")}
        layers.load_state_dict(features, strict=True, assign=True)
        found = _tensors(folder / config.heads)
        heads = [found[f"lin{number}.model.1.weight"].reshape(width) for number, width in enumerate(_WIDTHS)]
    layers = layers.eval().requires_grad_(False).to(device, dtype)
    return Lpips(config, layers, [head.to(device, dtype) for head in heads])


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    import torch

    found: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found


class Lpips:
    """See `PerceptualDistance`: squared differences of unit features, weighed by channel, averaged by place, summed."""

    def __init__(self, config: LpipsConfig, layers: Any, heads: Sequence[torch.Tensor]) -> None:
        self._layers, self._heads = layers, heads
        self._batches = Batches(config.batch_size)

    def __call__(self, first: Sequence[NDArray[np.uint8]], second: Sequence[NDArray[np.uint8]]) -> list[float]:
        """See `PerceptualDistance`. Raises `ValueError` for sides below `LEAST_SIDE`, or two sizes in a pair."""
        pairs = list(zip(first, second, strict=True))
        for one, other in pairs:
            if one.shape != other.shape or min(one.shape[:2]) < LEAST_SIDE:
                raise ValueError(f"pictures of {one.shape} and {other.shape}; wanted is one size, from {LEAST_SIDE} px")
        return self._batches.map_grouped(pairs, self._compare, key=lambda pair: pair[0].shape)

    @inference_mode
    def _compare(self, pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> Sequence[float]:
        sides = (self._features([pair[side] for pair in pairs]) for side in (0, 1))
        total: Any = 0
        for head, one, other in zip(self._heads, *sides, strict=True):
            weighed = ((one - other) ** 2 * head.view(1, -1, 1, 1)).sum(dim=1)
            total = total + weighed.mean(dim=(1, 2))
        return [float(distance) for distance in total.float().cpu()]

    def _features(self, images: Sequence[NDArray[np.uint8]]) -> list[torch.Tensor]:
        import torch

        scaled_BHWC = np.stack(images).astype(np.float32) / 127.5 - 1
        normal_BHWC = (scaled_BHWC - np.asarray(_MEAN, np.float32)) / np.asarray(_STD, np.float32)
        at = self._heads[0]
        found = torch.from_numpy(np.ascontiguousarray(normal_BHWC.transpose(0, 3, 1, 2))).to(at.device, at.dtype)
        features = []
        for number, layer in enumerate(self._layers):
            found = layer(found)
            if number in _ENDS:
                features.append(found / (found.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON))
            if number == _ENDS[-1]:
                break
        return features
