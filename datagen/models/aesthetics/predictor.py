"""Aesthetic heads on embeddings of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datagen.core.errors import SetupError
from datagen.models.aesthetics.base import AestheticV25Config, LaionV1Config, LaionV2Config
from datagen.models.embedders.base import ImageEmbedder
from datagen.models.scorers.base import ClipConfig, OpenClipConfig, Siglip2Config
from datagen.models.scorers.clip import clip_images, siglip_images
from datagen.models.weights.pretrained import loading

Head = LaionV1Config | LaionV2Config | AestheticV25Config

_LAYERS: dict[str, tuple[str, ...]] = {
    "laion_v1": ("",),
    "laion_v2": tuple(f"layers.{index}." for index in (0, 2, 4, 6, 7)),
    "aesthetic_v2_5": tuple(f"scoring_head.{index}." for index in (0, 2, 4, 6, 8)),
}
"""How each published file names its linear layers, in their order; between them stand dropouts, no activations."""


def aesthetic_predictor(config: Head, *, device: str) -> HeadedPredictor:
    """Encoder and head of any kind. Raises `SetupError`."""
    layers = _layers(config, _state(config, config.place()))
    encoder = _encoder(config.encoder, device=device)
    wanted, given = layers[0].in_features, encoder([np.zeros((16, 16, 3), np.uint8)]).shape[1]
    if wanted != given:
        raise SetupError(
            f"the head {config.weights} takes embeddings of {wanted} numbers, its `encoder` "
            f"{config.encoder.weights} gives {given}: name the model that the head was trained on"
        )
    return HeadedPredictor(encoder, layers)


def _encoder(config: ClipConfig | OpenClipConfig | Siglip2Config, *, device: str) -> ImageEmbedder:
    if isinstance(config, ClipConfig):
        return clip_images(config, device=device)
    if isinstance(config, Siglip2Config):
        return siglip_images(config, device=device)
    return config.load(device)


def _state(config: Head, place: Path) -> dict[str, torch.Tensor]:
    with loading(config, "aesthetic head"):
        if place.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(place))
        return dict(torch.load(place, map_location="cpu", weights_only=True))


def _layers(config: Head, state: dict[str, torch.Tensor]) -> nn.Sequential:
    """The head's linear layers, which are one affine map: nothing bends between them."""
    names = _LAYERS[config.kind]
    wanted = {f"{name}{part}" for name in names for part in ("weight", "bias")}
    if set(state) != wanted:
        found = ", ".join(sorted(state)[:12]) or "nothing"
        raise SetupError(
            f"{config.weights} is no head of kind '{config.kind}': it holds {found}; "
            f"such a head holds {', '.join(sorted(wanted))}"
        )
    layers = nn.Sequential(*(_linear(state[f"{name}weight"], state[f"{name}bias"]) for name in names))
    return layers.eval().requires_grad_(False)


def _linear(weight_OI: torch.Tensor, bias_O: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight_OI.shape[1], weight_OI.shape[0])
    layer.load_state_dict({"weight": weight_OI.float(), "bias": bias_O.float()})
    return layer


class HeadedPredictor:
    """Scores embeddings by a small head, in float32 on the CPU, where it costs nothing."""

    def __init__(self, encoder: ImageEmbedder, layers: nn.Sequential) -> None:
        self._encoder = encoder
        self._layers = layers

    @torch.inference_mode()
    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """See `AestheticPredictor`."""
        if not images:
            return []
        return [float(score) for score in self._layers(torch.from_numpy(self._encoder(images)))[:, 0]]
