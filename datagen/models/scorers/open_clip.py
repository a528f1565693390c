"""CLIP models of the open_clip package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from datagen.core.errors import SetupError, nearest
from datagen.models.scorers.base import ImageTextScorer
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.embeddings import normalized_rows
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_errors_explained

if TYPE_CHECKING:
    import torch


class OpenClipConfig(WeightsConfig):
    """Any model of open_clip: a folder or repository with `open_clip_config.json`, or one checkpoint file.

    Such as `laion/CLIP-ViT-H-14-laion2B-s32B-b79K`.
    """

    kind: Literal["open_clip"] = "open_clip"
    packages: ClassVar[tuple[str, ...]] = ("torch", "open_clip")
    fetched: ClassVar[tuple[str, ...]] = (
        "open_clip_config.json", "open_clip_*.safetensors", "open_clip_pytorch_model*.bin", "tokenizer*", "vocab.*",
        "merges.txt", "special_tokens_map.json",
    )  # fmt: skip

    architecture: str = ""
    """What open_clip calls the model, such as `ViT-L-14-quickgelu`; only for weights that are one file."""

    def load(self, device: str) -> ImageTextScorer:
        """Both towers. Raises `SetupError`."""
        return open_clip_scorer(self, device=device)


def open_clip_scorer(config: OpenClipConfig, *, device: str) -> OpenClipScorer:
    """A model of open_clip. Raises `SetupError`."""
    import open_clip

    dtype = config.prepare(device)
    path = config.weights_path()
    name, options = (f"local-dir:{path}", {}) if path.is_dir() else _of_file(config, path)
    with load_errors_explained(config, "model"):
        model, _, transform = open_clip.create_model_and_transforms(name, device=device, weights_only=True, **options)
        tokenizer = open_clip.get_tokenizer(name)
    return OpenClipScorer(config, model.eval().requires_grad_(False).to(dtype), transform, tokenizer)


def _of_file(config: OpenClipConfig, path: Path) -> tuple[str, dict[str, Any]]:
    """The name of an architecture of open_clip, and the option that loads its weights from a file."""
    import open_clip

    name, known = config.architecture, open_clip.list_models()
    if not name:
        raise SetupError(
            f"{config.weights} is one file: say by `architecture` which model of open_clip it holds, "
            "such as ViT-L-14-quickgelu"
        )
    if name not in known:
        raise SetupError(f"`architecture` is '{name}', which open_clip does not know; {nearest(name, known)}")
    return name, {"pretrained": str(path)}


class OpenClipScorer:
    """A model of open_clip with its own image transform and tokenizer."""

    def __init__(
        self, config: OpenClipConfig, model: Any, transform: Callable[[Any], torch.Tensor], tokenizer: Any
    ) -> None:
        self._model = model
        self._transform = transform
        self._tokenizer = tokenizer
        self._at = next(model.parameters())
        self._images, self._texts = Batches(config.batch_size), Batches(config.batch_size)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """See `ImageTextScorer`."""
        return normalized_rows(self._images.map(images, self._embed_images))

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `ImageTextScorer`."""
        return normalized_rows(self._texts.map(texts, self._embed_texts))

    @inference_mode
    def _embed_images(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[torch.Tensor]:
        import torch

        pixels_BCHW = torch.stack([self._transform(Pillow.fromarray(image)) for image in images])
        return list(self._model.encode_image(pixels_BCHW.to(self._at)).float().cpu())

    @inference_mode
    def _embed_texts(self, texts: Sequence[str]) -> Sequence[torch.Tensor]:
        return list(self._model.encode_text(self._tokenizer(list(texts)).to(self._at.device)).float().cpu())
