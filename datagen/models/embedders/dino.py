"""DINO and DINOv2, implemented by transformers."""

from __future__ import annotations

from typing import ClassVar, Literal

from PIL.Image import Resampling

from datagen.core.errors import SetupError
from datagen.models.embedders.base import ImageEmbedder
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.embeddings import TransformersEmbedder
from datagen.models.weights.pretrained import load_image_processor, load_pretrained


class DinoConfig(WeightsConfig):
    """DINO v1 (Caron et al. 2021), as benchmarks of editing use it: the class token of `facebook/dino-vits16`.

    Pictures are prepared as in DINO's own evaluation: shorter side 256 (for a model of 224), bicubic, centre crop.
    """

    kind: Literal["dino"] = "dino"
    fetched: ClassVar[tuple[str, ...]] = ("*.json", "*.safetensors", "pytorch_model.bin")
    """The repositories are from before safetensors."""

    def load(self, device: str) -> ImageEmbedder:
        """The model. Raises `SetupError`."""
        return dino_embedder(self, device=device)


class Dinov2Config(WeightsConfig):
    """DINOv2 (Oquab et al. 2023) through transformers, such as `facebook/dinov2-base`: its class token.

    Pictures are normalised by its own processor; UltraEdit's published code leaves that out.
    """

    kind: Literal["dinov2"] = "dinov2"

    def load(self, device: str) -> ImageEmbedder:
        """The model. Raises `SetupError`."""
        return dinov2_embedder(self, device=device)


_DINOV2 = ("dinov2", "dinov2_with_registers")
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""ImageNet's mean and standard deviation by channel, with which all DINO models were trained."""
_RESIZED, _CROPPED = 256, 224
"""Shorter side and centre crop in pixels, as in DINO's evaluation."""


def dino_embedder(config: DinoConfig, *, device: str) -> TransformersEmbedder:
    """A DINO v1 model. Raises `SetupError`."""
    from transformers import BitImageProcessorPil, ViTModel

    model = load_pretrained(ViTModel, config, device=device, add_pooling_layer=False)
    side = model.config.image_size
    processor = BitImageProcessorPil(
        size={"shortest_edge": side * _RESIZED // _CROPPED},
        crop_size={"height": side, "width": side},
        resample=Resampling.BICUBIC,
        image_mean=_MEAN,
        image_std=_STD,
    )
    return TransformersEmbedder(config, processor, model, lambda inputs: model(**inputs).last_hidden_state[:, 0])


def dinov2_embedder(config: Dinov2Config, *, device: str) -> TransformersEmbedder:
    """A DINOv2 model, with registers or without. Raises `SetupError`."""
    from transformers import AutoModel

    model = load_pretrained(AutoModel, config, device=device)
    if model.config.model_type not in _DINOV2:
        raise SetupError(
            f"{config.weights} is a {model.config.model_type} model, no DINOv2: check `kind` and `weights`"
        )
    processor = load_image_processor(config)
    if not processor.do_normalize:
        raise SetupError(f"the processor of {config.weights} does not normalise pictures; DINOv2 was trained on such")
    return TransformersEmbedder(config, processor, model, lambda inputs: model(**inputs).last_hidden_state[:, 0])
