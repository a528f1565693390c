"""Grounding DINO, implemented by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from datagen.core.options import PACE
from datagen.models.detectors.base import Detection, Detector
from datagen.models.detectors.grounding_words import (
    CaptionedImage,
    RawDetections,
    decode_boxes,
    detect_captions,
    pack_captions,
)
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_image_processor, load_pretrained, load_tokenizer


class GroundingDinoConfig(WeightsConfig):
    """Grounding DINO (arXiv:2303.05499) by transformers: finds what free phrases name."""

    kind: Literal["grounding_dino"] = "grounding_dino"
    license: ClassVar[str] = "Apache-2.0"

    weights: Annotated[str, PACE] = Field(default="IDEA-Research/grounding-dino-base", min_length=1)
    """A repository of the hub, or a folder as transformers saves it."""
    commit: str = "12bdfa3120f3e7ec7b434d90674b3396eccf88eb"
    """The commit that pins them; this one is the default's, others have none unless it is given."""

    def load(self, device: str) -> Detector:
        """The detector. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        return GroundingDinoDetector(self, device=device)


class GroundingDinoDetector:
    """Grounding DINO of transformers. Pictures of one size share a batch: padding would change what the model sees."""

    def __init__(self, config: GroundingDinoConfig, *, device: str) -> None:
        import transformers

        self._dtype, self._device = config.prepare(device), device
        self._model = load_pretrained(transformers.GroundingDinoForObjectDetection, config, device=device)
        self._images = load_image_processor(config)
        self._tokenizer = load_tokenizer(config, vocab_size=self._model.config.text_config.vocab_size)
        self._batches = Batches(config.batch_size)

    @inference_mode
    def __call__(self, images: list[NDArray[np.uint8]], phrases: list[Sequence[str]]) -> list[list[Detection]]:
        """See `Detector`; phrases that do not fit into one caption go into further ones, each with the picture anew."""
        texts = [
            pack_captions(one, tokenizer=self._tokenizer, limit=self._model.config.max_text_len) for one in phrases
        ]
        return detect_captions(images, texts=texts, detect=self._detect, batches=self._batches)

    def _detect(self, batch: Sequence[CaptionedImage]) -> list[RawDetections]:
        images = [Image.fromarray(image) for image, _ in batch]
        pixels = self._images(images, return_tensors="pt")
        tokens = self._tokenizer([caption.text for _, caption in batch], return_tensors="pt", padding=True)
        out = self._model(
            pixel_values=pixels["pixel_values"].to(self._device, self._dtype),
            pixel_mask=pixels["pixel_mask"].to(self._device),
            **{name: value.to(self._device) for name, value in tokens.items()},
        )
        return [
            decode_boxes(
                caption,
                logits_QT=logits_QT,
                boxes_Q4=boxes_Q4,
                ids=ids.tolist(),
                tokenizer=self._tokenizer,
                size=(image.shape[1], image.shape[0]),
            )
            for (image, caption), logits_QT, boxes_Q4, ids in zip(
                batch, out.logits, out.pred_boxes, tokens["input_ids"], strict=True
            )
        ]
