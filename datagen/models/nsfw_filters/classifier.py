"""Image classifiers of transformers as NSFW filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.errors import SetupError, nearest
from datagen.models.nsfw_filters.base import NsfwClassifier
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.embeddings import model_inputs
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.pretrained import load_image_processor, load_pretrained


class ImageClassifierConfig(WeightsConfig):
    """Any image classifier of transformers, such as `Falconsai/nsfw_image_detection` with the label `nsfw`."""

    kind: Literal["image_classifier"] = "image_classifier"
    labels: tuple[str, ...] = Field(min_length=1)
    """The labels that count, as the model's `config.json` spells them; their probabilities are added up."""

    def load(self, device: str) -> NsfwClassifier:
        """The model. Raises `SetupError`, also for a label that it has not."""
        return nsfw_classifier(self, device=device)


def nsfw_classifier(config: ImageClassifierConfig, *, device: str) -> LabelClassifier:
    """The classifier. Raises `SetupError`, also for a label that the model does not have."""
    from transformers import AutoModelForImageClassification

    model = load_pretrained(AutoModelForImageClassification, config, device=device)
    if model.config.problem_type == "multi_label_classification":
        raise SetupError(f"{config.weights} gives several labels at once, whose probabilities cannot be added up")
    numbers = {str(label): int(number) for number, label in model.config.id2label.items()}
    for label in config.labels:
        if label not in numbers:
            raise SetupError(f"{config.weights} has no label '{label}' (`labels`); {nearest(label, numbers)}")
    return LabelClassifier(
        config, model, load_image_processor(config), [numbers[label] for label in set(config.labels)]
    )


class LabelClassifier:
    """Sums the probabilities of some of the model's labels."""

    def __init__(self, config: ImageClassifierConfig, model: Any, processor: Any, numbers: Sequence[int]) -> None:
        self._model = model
        self._processor = processor
        self._numbers = sorted(numbers)
        self._batches = Batches(config.batch_size)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """See `NsfwClassifier`."""
        return self._batches.map(images, self._classify)

    @inference_mode
    def _classify(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[float]:
        logits_BL = self._model(**model_inputs(images, self._processor, self._model)).logits.float()
        # `min`: rounding may bring a sum of probabilities just above 1.
        return [min(1.0, float(found)) for found in logits_BL.softmax(-1)[:, self._numbers].sum(-1)]
