"""Features of convolutional networks at a small stride, by timm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.errors import SetupError, nearest
from datagen.models.dense_encoders.base import stretched, unit_maps
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.embeddings import normalized_rows
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_errors_explained

if TYPE_CHECKING:
    import torch


class ConvolutionalConfig(WeightsConfig):
    """Options that all convolutional networks share."""

    packages: ClassVar[tuple[str, ...]] = ("torch", "timm")

    stride: Literal[2, 4, 8, 16, 32] = 4
    """Pixels of the stretched picture that one place stands for; small edits need 4."""
    side: int = Field(default=256, ge=64, le=2048, multiple_of=32)
    """Pixels to which both sides of a picture are stretched."""


class TimmFeaturesConfig(ConvolutionalConfig):
    """Any network of timm with features by stride: a folder or repository as timm saves it, or one checkpoint file.

    Such as `timm/tf_efficientnet_lite0.in1k`.
    """

    kind: Literal["timm"] = "timm"
    fetched: ClassVar[tuple[str, ...]] = ("config.json", "model.safetensors")

    architecture: str = ""
    """What timm calls the network, such as `tf_efficientnet_lite0`; only for weights that are one file."""

    def load(self, device: str) -> ConvolutionalEncoder:
        """The network. Raises `SetupError`."""
        return timm_features(self, device=device)


def timm_features(config: TimmFeaturesConfig, *, device: str) -> ConvolutionalEncoder:
    """A network of timm with all of its weights. Raises `SetupError`."""
    config.prepare(device)
    path = config.weights_path()
    file = path / "model.safetensors" if path.is_dir() else path
    with load_errors_explained(config, "model"):
        state = read_weights(file)
        name = str(json.loads((path / "config.json").read_text())["architecture"]) if path.is_dir() else ""
    return convolutional_encoder(config, config.architecture or name, state, device=device)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint file, by name; nothing else in it is loaded."""
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def convolutional_encoder(
    config: ConvolutionalConfig, architecture: str, state: dict[str, torch.Tensor], *, device: str
) -> ConvolutionalEncoder:
    """The network `architecture` of timm with the weights `state`, all of them. Raises `SetupError`."""
    import timm

    dtype = config.prepare(device)
    if architecture not in timm.list_models():
        why = "say by `architecture` which network of timm it holds" if not architecture else "timm does not know it"
        raise SetupError(f"{config.weights}: '{architecture}': {why}; {nearest(architecture, timm.list_models())}")
    with load_errors_explained(config, "model"):
        network = timm.create_model(architecture, pretrained=False)
        network.load_state_dict(state, strict=True)
    strides = [stage["reduction"] for stage in getattr(network, "feature_info", ())]
    if config.stride not in strides or not hasattr(network, "forward_intermediates"):
        raise SetupError(f"'{architecture}' has no features at stride {config.stride} (`stride`); it has: {strides}")
    return ConvolutionalEncoder(config, network.eval().requires_grad_(False).to(device, dtype), strides)


class ConvolutionalEncoder:
    """A network of timm. It is an `ImageEmbedder` too: a picture's embedding is the mean of its last features."""

    def __init__(self, config: ConvolutionalConfig, network: Any, strides: Sequence[int]) -> None:
        self._network, self._at = network, next(network.parameters())
        self._side, self._stage = config.side, strides.index(config.stride)
        self._mean, self._std = network.default_cfg["mean"], network.default_cfg["std"]
        self._dense, self._whole = Batches(config.batch_size), Batches(config.batch_size)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """See `ImageEmbedder`."""
        return normalized_rows(self._whole.map(images, self._embed))

    def maps(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """See `DenseEncoder`."""
        return [found.numpy() for found in self._dense.map(images, self._encode)]

    def _pixels(self, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        return stretched(images, self._side, mean=self._mean, std=self._std).to(self._at)

    @inference_mode
    def _encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[torch.Tensor]:
        # `stop_early`: the layers behind the stage are not computed.
        found = self._network.forward_intermediates(
            self._pixels(images), indices=[self._stage], stop_early=True, intermediates_only=True
        )
        return unit_maps(found[-1])

    @inference_mode
    def _embed(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[torch.Tensor]:
        return list(self._network.forward_features(self._pixels(images)).mean((2, 3)).float().cpu())
