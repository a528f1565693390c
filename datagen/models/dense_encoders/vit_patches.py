"""Patches of CLIP and DINOv2, by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.errors import SetupError
from datagen.models.dense_encoders.base import DenseEncoder, stretched, unit_maps
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_image_processor, load_pretrained

if TYPE_CHECKING:
    import torch


class ClipPatchesConfig(WeightsConfig):
    """Patches of CLIP's image tower, such as `openai/clip-vit-base-patch16`: its last layer, without the class token.

    A patch covers 14 to 32 pixels of a picture of 224, so that the edges of small edits are lost; see `side`.
    """

    kind: Literal["clip_patches"] = "clip_patches"
    fetched: ClassVar[tuple[str, ...]] = ("*.json", "*.txt", "model*.safetensors")

    side: int | None = Field(default=None, ge=16, le=2048)
    """Pixels to which both sides are stretched, a multiple of a patch; the model's own if null."""

    def load(self, device: str) -> DenseEncoder:
        """The image tower. Raises `SetupError`."""
        return clip_patches(self, device=device)


class Dinov2PatchesConfig(WeightsConfig):
    """Patches of DINOv2, with registers or without, such as `facebook/dinov2-small`: its last layer."""

    kind: Literal["dinov2_patches"] = "dinov2_patches"

    side: int | None = Field(default=None, ge=14, le=2048)
    """Pixels to which both sides are stretched, a multiple of a patch; the model's own (518) if null."""

    def load(self, device: str) -> DenseEncoder:
        """The model. Raises `SetupError`."""
        return dinov2_patches(self, device=device)


def clip_patches(config: ClipPatchesConfig, *, device: str) -> PatchEncoder:
    """The image tower of a CLIP model. Raises `SetupError`."""
    from transformers import CLIPVisionModel

    model = load_pretrained(CLIPVisionModel, config, device=device)
    return PatchEncoder(config, model, before=1, options={"interpolate_pos_encoding": True})


def dinov2_patches(config: Dinov2PatchesConfig, *, device: str) -> PatchEncoder:
    """A DINOv2 model. Raises `SetupError`."""
    from transformers import AutoModel

    model = load_pretrained(AutoModel, config, device=device)
    if model.config.model_type not in ("dinov2", "dinov2_with_registers"):
        raise SetupError(
            f"{config.weights} is a {model.config.model_type} model, no DINOv2: check `kind` and `weights`"
        )
    # DINOv2 interpolates the position encodings of any size by itself.
    return PatchEncoder(config, model, before=1 + getattr(model.config, "num_register_tokens", 0), options={})


class PatchEncoder:
    """A vision transformer of transformers, with the mean and deviation of the processor saved beside its weights."""

    def __init__(
        self,
        config: ClipPatchesConfig | Dinov2PatchesConfig,
        model: Any,
        *,
        before: int,
        options: dict[str, Any],
    ) -> None:
        patch = model.config.patch_size
        self._side = config.side or model.config.image_size
        if self._side % patch:
            raise SetupError(f"`side` is {self._side}, which is no multiple of a patch of {patch} pixels")
        processor = load_image_processor(config)
        self._mean, self._std = processor.image_mean, processor.image_std
        self._model, self._before, self._options = model, before, options
        self._grid = self._side // patch
        self._batches = Batches(config.batch_size)

    def maps(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """See `DenseEncoder`."""
        return [found.numpy() for found in self._batches.map(images, self._encode)]

    @inference_mode
    def _encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[torch.Tensor]:
        pixels_BCHW = stretched(images, self._side, mean=self._mean, std=self._std)
        placed_BCHW = pixels_BCHW.to(self._model.device, self._model.dtype)
        tokens_BND = self._model(pixel_values=placed_BCHW, **self._options).last_hidden_state[:, self._before :]
        return unit_maps(tokens_BND.transpose(1, 2).unflatten(2, (self._grid, self._grid)))
