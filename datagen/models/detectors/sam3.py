"""Boxes by SAM 3, one phrase after another."""

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
"""Tokens of a phrase that the model was made for, the two at its ends included."""


class _PhrasesOfImage(NamedTuple):
    image: NDArray[np.uint8]
    phrases: Sequence[str]


class Sam3Detector:
    """Encodes a picture once, then looks for each of its phrases by itself."""

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
        """See `Detector`; scores are those of the box times that of the phrase being there at all."""
        return self._batches.map([_PhrasesOfImage(*one) for one in zip(images, phrases, strict=True)], self._detect)

    def _detect(self, asked: Sequence[_PhrasesOfImage]) -> list[list[Detection]]:
        images = [Image.fromarray(one.image) for one in asked]
        inputs = self._processor.image_processor(images, return_tensors="pt")
        seen = self._model.get_vision_features(inputs["pixel_values"].to(self._device, self._dtype))
        return [self._looked(one, _picture(seen, number)) for number, one in enumerate(asked)]

    def _looked(self, asked: _PhrasesOfImage, seen: Any) -> list[Detection]:
        height, width = asked.image.shape[:2]
        boxes, scores, labels = [], [], []
        for phrase in asked.phrases:
            out = self._model(vision_embeds=seen, **self._read(phrase))
            [found] = self._processor.post_process_object_detection(out, threshold=-1, target_sizes=[(height, width)])
            boxes.append(found["boxes"].double().cpu().numpy())
            scores.append(found["scores"].double().cpu().numpy())
            labels += [phrase] * len(scores[-1])
        return best_first(np.concatenate(boxes), np.concatenate(scores), labels, size=(width, height))

    def _read(self, phrase: str) -> dict[str, torch.Tensor]:
        """A phrase as tokens. Raises `DataError`."""
        words = " ".join(phrase.split())
        if not words:
            raise DataError("there is no word in the phrase to look for")
        tokens = self._tokenizer(words, return_tensors="pt", padding="max_length", max_length=_LONGEST)
        if tokens["input_ids"].shape[1] > _LONGEST:
            raise DataError(f"the phrase '{phrase:.60}' is longer than the {_LONGEST} tokens that SAM 3 reads")
        return {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask")}


def _picture(seen: Any, number: int) -> Any:
    """What was encoded of one picture of a batch."""
    parts = {name: seen[name] for name in ("fpn_hidden_states", "fpn_position_encoding")}
    return type(seen)(**{name: tuple(level[number : number + 1] for level in part) for name, part in parts.items()})
