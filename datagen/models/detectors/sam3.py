"""SAM 3 as a detector, prompted by one phrase after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from datagen.core.errors import DataError
from datagen.core.options import PACE
from datagen.models.detectors.base import Detection, Detector, best_first
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_errors_explained, load_pretrained, load_tokenizer

if TYPE_CHECKING:
    import torch


class Sam3DetectorConfig(WeightsConfig):
    """SAM 3 (arXiv:2511.16719) by text: finds all that one short noun phrase names, phrase after phrase."""

    kind: Literal["sam3"] = "sam3"
    license: ClassVar[str] = "LicenseRef-SAM"

    weights: Annotated[str, PACE] = Field(default="facebook/sam3", min_length=1)
    """A repository of the hub, which asks for consent to its licence, or a folder as transformers saves it."""

    def load(self, device: str) -> Detector:
        """The detector. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        return Sam3Detector(self, device=device)


_LONGEST = 32
"""Most tokens of a phrase that the model was trained with, its two end tokens included."""


class _PhrasesOfImage(NamedTuple):
    image: NDArray[np.uint8]
    phrases: Sequence[str]


class Sam3Detector:
    """Encodes a picture once, then detects each of its phrases separately."""

    def __init__(self, config: Sam3DetectorConfig, *, device: str) -> None:
        import transformers

        self._dtype, self._device = config.prepare(device), device
        self._model = load_pretrained(transformers.Sam3Model, config, device=device)
        with load_errors_explained(config, "processor"):
            self._processor: Any = transformers.Sam3Processor.from_pretrained(
                config.weights_path(), local_files_only=True
            )
        self._tokenizer = load_tokenizer(config, vocab_size=self._model.config.text_config.vocab_size)
        self._batches = Batches(config.batch_size)

    @inference_mode
    def __call__(self, images: list[NDArray[np.uint8]], phrases: list[Sequence[str]]) -> list[list[Detection]]:
        """See `Detector`; a score is the box's score times the model's score that the phrase occurs in the picture."""
        return self._batches.map([_PhrasesOfImage(*one) for one in zip(images, phrases, strict=True)], self._detect)

    def _detect(self, batch: Sequence[_PhrasesOfImage]) -> list[list[Detection]]:
        images = [Image.fromarray(one.image) for one in batch]
        inputs = self._processor.image_processor(images, return_tensors="pt")
        features = self._model.get_vision_features(inputs["pixel_values"].to(self._device, self._dtype))
        return [self._detect_phrases(one, _of_picture(features, number)) for number, one in enumerate(batch)]

    def _detect_phrases(self, one: _PhrasesOfImage, features: Any) -> list[Detection]:
        height, width = one.image.shape[:2]
        boxes, scores, labels = [], [], []
        for phrase in one.phrases:
            out = self._model(vision_embeds=features, **self._tokenize(phrase))
            [found] = self._processor.post_process_object_detection(out, threshold=-1, target_sizes=[(height, width)])
            boxes.append(found["boxes"].double().cpu().numpy())
            scores.append(found["scores"].double().cpu().numpy())
            labels += [phrase] * len(scores[-1])
        return best_first(np.concatenate(boxes), np.concatenate(scores), labels, size=(width, height))

    def _tokenize(self, phrase: str) -> dict[str, torch.Tensor]:
        """The model's text inputs for a phrase. Raises `DataError`."""
        words = " ".join(phrase.split())
        if not words:
            raise DataError("there is no word in the phrase to look for")
        tokens = self._tokenizer(words, return_tensors="pt", padding="max_length", max_length=_LONGEST)
        if tokens["input_ids"].shape[1] > _LONGEST:
            raise DataError(f"the phrase '{phrase:.60}' is longer than the {_LONGEST} tokens that SAM 3 reads")
        return {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")}


def _of_picture(features: Any, number: int) -> Any:
    """The vision features of one picture of a batch."""
    parts = {name: features[name] for name in ("fpn_hidden_states", "fpn_position_encoding")}
    return type(features)(**{name: tuple(level[number : number + 1] for level in part) for name, part in parts.items()})
