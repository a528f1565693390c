"""Image-text scorers: pictures and texts in one space, where what belongs together lies close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray

from datagen.models.weights.config import WeightsConfig


class ImageTextScorer(Protocol):
    """Embeds pictures and texts; the score of a pair is the cosine of its embeddings, -1 to 1.

    It is an `ImageEmbedder` too.
    """

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """HWC uint8 RGB pictures of any sizes; their embeddings, (N, D), each of length 1."""
        ...

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings of texts, (N, D), each of length 1. What is longer than the model reads (CLIP: 77 tokens) is cut.

        None of them may be blank, which has no meaning to compare: that is for the caller to see to.
        """
        ...


_FILES = ("*.json", "*.txt", "*.model", "model*.safetensors")
"""Of repositories that hold weights in open_clip's form too."""


class ClipConfig(WeightsConfig):
    """CLIP through transformers, such as `openai/clip-vit-large-patch14`; its own processor prepares pictures."""

    kind: Literal["clip"] = "clip"
    fetched: ClassVar[tuple[str, ...]] = _FILES

    def load(self, device: str) -> ImageTextScorer:
        """Both towers. Raises `SetupError`."""
        from datagen.models.scorers.clip import clip_scorer

        return clip_scorer(self, device=device)


class Siglip2Config(WeightsConfig):
    """SigLIP and SigLIP 2 through transformers, such as `google/siglip2-so400m-patch14-384`, NaFlex ones included.

    Its cosines are far lower than CLIP's: what matches well has some 0.1 to 0.2.
    """

    kind: Literal["siglip2"] = "siglip2"
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers", "sentencepiece")
    fetched: ClassVar[tuple[str, ...]] = _FILES

    def load(self, device: str) -> ImageTextScorer:
        """Both towers. Raises `SetupError`."""
        from datagen.models.scorers.clip import siglip_scorer

        return siglip_scorer(self, device=device)


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
        from datagen.models.scorers.open_clip import open_clip_scorer

        return open_clip_scorer(self, device=device)


ScorerConfig = Annotated[ClipConfig | Siglip2Config | OpenClipConfig, pydantic.Field(discriminator="kind")]
"""Every kind of scorer, told apart by `kind`."""
