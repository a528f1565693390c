"""NSFW classifiers: how likely a picture is one that not everyone wants to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.models.weights.config import WeightsConfig


class NsfwClassifier(Protocol):
    """Judges pictures."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """HWC uint8 RGB pictures of any sizes; the probability of the labels that count, 0 to 1."""
        ...


class ImageClassifierConfig(WeightsConfig):
    """Any image classifier of transformers, such as `Falconsai/nsfw_image_detection` with the label `nsfw`."""

    kind: Literal["image_classifier"] = "image_classifier"
    labels: tuple[str, ...] = Field(min_length=1)
    """The labels that count, as the model's `config.json` spells them; their probabilities are added up."""

    def load(self, device: str) -> NsfwClassifier:
        """The model. Raises `SetupError`, also for a label that it has not."""
        from datagen.models.nsfw_filters.classifier import nsfw_classifier

        return nsfw_classifier(self, device=device)


NsfwConfig = ImageClassifierConfig
"""The only kind there is."""
