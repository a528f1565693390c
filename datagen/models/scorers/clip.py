"""CLIP and SigLIP, implemented by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import SetupError
from datagen.models.scorers.base import ImageTextScorer
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.embeddings import TransformersEmbedder, normalized_rows
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_image_processor, load_pretrained, load_tokenizer

if TYPE_CHECKING:
    import torch

_FILES = ("*.json", "*.txt", "*.model", "model*.safetensors")
"""Files to download: some repositories hold the same weights in open_clip's format too."""


class ClipConfig(WeightsConfig):
    """CLIP through transformers, such as `openai/clip-vit-large-patch14`; its own processor prepares pictures."""

    kind: Literal["clip"] = "clip"
    fetched: ClassVar[tuple[str, ...]] = _FILES

    def load(self, device: str) -> ImageTextScorer:
        """Both towers. Raises `SetupError`."""
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
        return siglip_scorer(self, device=device)


_SIGLIP = ("siglip", "siglip2")


def clip_scorer(config: ClipConfig, *, device: str) -> ClipScorer:
    """Both towers of a CLIP model. Raises `SetupError`."""
    from transformers import CLIPModel

    return ClipScorer(config, load_pretrained(CLIPModel, config, device=device))


def siglip_scorer(config: Siglip2Config, *, device: str) -> ClipScorer:
    """Both towers of a SigLIP or SigLIP 2 model. Raises `SetupError`."""
    from transformers import AutoModel

    model = load_pretrained(AutoModel, config, device=device)
    if model.config.model_type not in _SIGLIP:
        raise SetupError(
            f"{config.weights} is a {model.config.model_type} model, no SigLIP: check `kind` and `weights`"
        )
    return ClipScorer(config, model)


def clip_images(config: ClipConfig, *, device: str) -> TransformersEmbedder:
    """The image tower of a CLIP model, without its text tower. Raises `SetupError`."""
    from transformers import CLIPVisionModelWithProjection

    model = load_pretrained(CLIPVisionModelWithProjection, config, device=device)
    return TransformersEmbedder(
        config, load_image_processor(config), model, lambda inputs: model(**inputs).image_embeds
    )


def siglip_images(config: Siglip2Config, *, device: str) -> TransformersEmbedder:
    """The image tower of a SigLIP model, without its text tower. Raises `SetupError`."""
    from transformers import SiglipVisionModel

    model = load_pretrained(SiglipVisionModel, config, device=device)
    return TransformersEmbedder(
        config, load_image_processor(config), model, lambda inputs: model(**inputs).pooler_output
    )


class ClipScorer:
    """A CLIP or SigLIP model of transformers, with the image processor and tokenizer saved beside its weights."""

    def __init__(self, config: ClipConfig | Siglip2Config, model: Any) -> None:
        self._images = TransformersEmbedder(
            config, load_image_processor(config), model, lambda inputs: model.get_image_features(**inputs).pooler_output
        )
        text_config = model.config.text_config
        self._tokenizer = load_tokenizer(config, vocab_size=text_config.vocab_size)
        self._longest = text_config.max_position_embeddings
        self._model = model
        self._batches = Batches(config.batch_size)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """See `ImageTextScorer`."""
        return self._images(images)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `ImageTextScorer`."""
        return normalized_rows(self._batches.map(texts, self._embed_texts))

    @inference_mode
    def _embed_texts(self, texts: Sequence[str]) -> Sequence[torch.Tensor]:
        lower = [text.lower() for text in texts]  # as both were trained; not all SigLIP 2 tokenizers do it
        # Padded to the full length, as SigLIP was trained; to CLIP it makes no difference.
        tokens = self._tokenizer(
            lower, padding="max_length", truncation=True, max_length=self._longest, return_tensors="pt"
        )
        features = self._model.get_text_features(input_ids=tokens["input_ids"].to(self._model.device))
        return list(features.pooler_output.float().cpu())
