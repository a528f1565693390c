"""Patches of CLIP models of the open_clip package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import SetupError
from datagen.models.dense_encoders.base import DenseEncoder, stretched, unit_maps
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_errors_explained

if TYPE_CHECKING:
    import torch


class OpenClipPatchesConfig(WeightsConfig):
    """The last features by location of an image tower of open_clip: a folder or repository in its format."""

    kind: Literal["open_clip_patches"] = "open_clip_patches"
    packages: ClassVar[tuple[str, ...]] = ("torch", "open_clip")
    fetched: ClassVar[tuple[str, ...]] = (
        "open_clip_config.json", "open_clip_*.safetensors", "open_clip_pytorch_model*.bin",
    )  # fmt: skip

    def load(self, device: str) -> DenseEncoder:
        """The image tower. Raises `SetupError`."""
        return open_clip_patches(self, device=device)


def open_clip_patches(config: OpenClipPatchesConfig, *, device: str) -> OpenClipPatchEncoder:
    """A model of open_clip. Raises `SetupError`."""
    import open_clip

    dtype, path = config.prepare(device), config.weights_path()
    if not path.is_dir():
        raise SetupError(f"{config.weights} is one file: name a folder or repository with `open_clip_config.json`")
    with load_errors_explained(config, "model"):
        model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{path}", device=device, weights_only=True)
    if not hasattr(model.visual, "forward_intermediates"):
        raise SetupError(f"the image tower of {config.weights} ({type(model.visual).__name__}) gives no patches")
    return OpenClipPatchEncoder(config, model.visual.eval().requires_grad_(False).to(dtype))


class OpenClipPatchEncoder:
    """An image tower of open_clip at its own size, with its own mean and deviation."""

    def __init__(self, config: OpenClipPatchesConfig, tower: Any) -> None:
        size = tower.image_size
        self._side = size if isinstance(size, int) else size[0]
        self._tower, self._at = tower, next(tower.parameters())
        self._mean, self._std = tower.preprocess_cfg["mean"], tower.preprocess_cfg["std"]
        self._batches = Batches(config.batch_size)

    def maps(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """See `DenseEncoder`."""
        return [found.numpy() for found in self._batches.map(images, self._encode)]

    @inference_mode
    def _encode(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[torch.Tensor]:
        pixels_BCHW = stretched(images, self._side, mean=self._mean, std=self._std).to(self._at)
        found = self._tower.forward_intermediates(
            pixels_BCHW, indices=1, normalize_intermediates=True, intermediates_only=True
        )
        return unit_maps(found["image_intermediates"][-1])
