"""Aesthetic predictors: a CLIP or SigLIP encoder, and a small head of linear layers on its embeddings of length 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from datagen.core.errors import SetupError
from datagen.models.aesthetics.base import AestheticPredictor
from datagen.models.embedders.base import ImageEmbedder
from datagen.models.scorers.clip import ClipConfig, Siglip2Config, clip_images, siglip_images
from datagen.models.scorers.open_clip import OpenClipConfig
from datagen.models.weights.config import WeightsSourceConfig
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_errors_explained

if TYPE_CHECKING:
    import torch
    from torch import nn

_CLIP_COMMIT = "32bd64288804d66eefd0ccbe215aa642df71cc41"


_SIGLIP_COMMIT = "9fdffc58afc957d1a03a25b10dba0329ab15c2a3"


ClipEncoder = Annotated[ClipConfig | OpenClipConfig, pydantic.Field(discriminator="kind")]
"""What embeds the pictures: the CLIP that the predictor was trained on, or its scores mean nothing."""


class LaionV1Config(WeightsSourceConfig):
    """LAION's first predictor: linear, on CLIP embeddings of length 1.

    Its weights are one file of LAION-AI/aesthetic-predictor on GitHub, such as `sa_0_4_vit_l_14_linear.pth`.
    """

    kind: Literal["laion_v1"] = "laion_v1"
    encoder: ClipEncoder = ClipConfig(weights="openai/clip-vit-large-patch14", commit=_CLIP_COMMIT)
    """The CLIP model; that of `..._vit_b_32_...` is `openai/clip-vit-base-patch32`."""

    def load(self, device: str) -> AestheticPredictor:
        """Encoder and head. Raises `SetupError`."""
        return aesthetic_predictor(self, device=device)


class LaionV2Config(WeightsSourceConfig):
    """LAION's second predictor, "improved": five linear layers without activations, on CLIP embeddings of length 1.

    Its weights are one file of christophschuhmann/improved-aesthetic-predictor on GitHub,
    `sac+logos+ava1-l14-linearMSE.pth`. MIGE names no predictor; thresholds of its time are this one's.
    """

    kind: Literal["laion_v2"] = "laion_v2"
    encoder: ClipEncoder = ClipConfig(weights="openai/clip-vit-large-patch14", commit=_CLIP_COMMIT)
    """The CLIP model."""

    def load(self, device: str) -> AestheticPredictor:
        """Encoder and head. Raises `SetupError`."""
        return aesthetic_predictor(self, device=device)


class AestheticV25Config(WeightsSourceConfig):
    """Aesthetic Predictor V2.5: five linear layers on SigLIP embeddings of length 1.

    Its weights are one file of discus0434/aesthetic-predictor-v2-5 on GitHub,
    `aesthetic_predictor_v2_5.pth`. By its authors 5.5 and above is great; no other predictor's bound fits it.
    """

    kind: Literal["aesthetic_v2_5"] = "aesthetic_v2_5"
    license: ClassVar[str] = "AGPL-3.0-only"
    encoder: Siglip2Config = Siglip2Config(weights="google/siglip-so400m-patch14-384", commit=_SIGLIP_COMMIT)
    """The SigLIP model."""

    def load(self, device: str) -> AestheticPredictor:
        """Encoder and head. Raises `SetupError`."""
        return aesthetic_predictor(self, device=device)


HeadConfig = LaionV1Config | LaionV2Config | AestheticV25Config

_LAYERS: dict[str, tuple[str, ...]] = {
    "laion_v1": ("",),
    "laion_v2": tuple(f"layers.{index}." for index in (0, 2, 4, 6, 7)),
    "aesthetic_v2_5": tuple(f"scoring_head.{index}." for index in (0, 2, 4, 6, 8)),
}
"""The prefixes of the linear layers in each published file, in order. Between them are dropouts, but no activations."""


def aesthetic_predictor(config: HeadConfig, *, device: str) -> LinearHeadPredictor:
    """Encoder and head of any kind. Raises `SetupError`, also if their sizes of embeddings differ."""
    layers = _layers(config, _state(config, config.weights_path()))
    encoder = _encoder(config.encoder, device=device)
    expected, actual = layers[0].in_features, encoder([np.zeros((16, 16, 3), np.uint8)]).shape[1]
    if expected != actual:
        raise SetupError(
            f"the head {config.weights} takes embeddings of {expected} numbers, its `encoder` "
            f"{config.encoder.weights} gives {actual}: name the model that the head was trained on"
        )
    return LinearHeadPredictor(encoder, layers)


def _encoder(config: ClipConfig | OpenClipConfig | Siglip2Config, *, device: str) -> ImageEmbedder:
    # CLIP and SigLIP are loaded without their text towers: the head needs embeddings of pictures only.
    if isinstance(config, ClipConfig):
        return clip_images(config, device=device)
    if isinstance(config, Siglip2Config):
        return siglip_images(config, device=device)
    return config.load(device)


def _state(config: HeadConfig, path: Path) -> dict[str, torch.Tensor]:
    import torch

    with load_errors_explained(config, "aesthetic head"):
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        return dict(torch.load(path, map_location="cpu", weights_only=True))


def _layers(config: HeadConfig, state: dict[str, torch.Tensor]) -> nn.Sequential:
    """The head's linear layers. Raises `SetupError` if the file holds other weights than a head of this kind."""
    from torch import nn

    names = _LAYERS[config.kind]
    expected = {f"{name}{part}" for name in names for part in ("weight", "bias")}
    if set(state) != expected:
        found = ", ".join(sorted(state)[:12]) or "nothing"
        raise SetupError(
            f"{config.weights} is no head of kind '{config.kind}': it holds {found}; "
            f"such a head holds {', '.join(sorted(expected))}"
        )
    layers = nn.Sequential(*(_linear(state[f"{name}weight"], state[f"{name}bias"]) for name in names))
    return layers.eval().requires_grad_(False)


def _linear(weight_OI: torch.Tensor, bias_O: torch.Tensor) -> nn.Linear:
    from torch import nn

    layer = nn.Linear(weight_OI.shape[1], weight_OI.shape[0])
    layer.load_state_dict({"weight": weight_OI.float(), "bias": bias_O.float()})
    return layer


class LinearHeadPredictor:
    """Scores embeddings by the head, in float32 and on the CPU: it is small enough to cost nothing there."""

    def __init__(self, encoder: ImageEmbedder, layers: nn.Sequential) -> None:
        self._encoder = encoder
        self._layers = layers

    @inference_mode
    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """See `AestheticPredictor`."""
        import torch

        if not images:
            return []
        return [float(score) for score in self._layers(torch.from_numpy(self._encoder(images)))[:, 0]]
