"""Embeddings of whole pictures: preprocessing, batches, and rows of length 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.inference import inference_mode

if TYPE_CHECKING:
    import torch

Inputs = Mapping[str, "torch.Tensor"]


class TransformersEmbedder:
    """Embeds pictures by an image processor and a model of transformers, batch by batch; rows have length 1."""

    def __init__(
        self, config: WeightsConfig, processor: Any, model: Any, embed: Callable[[Inputs], torch.Tensor]
    ) -> None:
        self._processor = processor
        self._model = model
        self._embed = embed
        self._batches = Batches(config.batch_size)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """See `ImageEmbedder`."""
        return normalized_rows(self._batches.map(images, self._embed_batch))

    @inference_mode
    def _embed_batch(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[torch.Tensor]:
        return list(self._embed(model_inputs(images, self._processor, self._model)).float().cpu())


def model_inputs(images: Sequence[NDArray[np.uint8]], processor: Any, model: Any) -> Inputs:
    """The model's inputs for HWC uint8 RGB pictures, on its device and in its dtype."""
    # The layout is given: transformers guesses it wrong for a picture that is 1 or 3 pixels high.
    made = processor(images=list(images), return_tensors="pt", input_data_format="channels_last")
    placed = {name: value.to(model.device) for name, value in made.items()}
    return {name: value.to(model.dtype) if value.is_floating_point() else value for name, value in placed.items()}


def normalized_rows(rows: Sequence[torch.Tensor]) -> NDArray[np.float32]:
    """Vectors as (N, D) float32, each divided by its length; a vector of zeros stays as it is."""
    import torch

    if not rows:
        return np.zeros((0, 0), np.float32)
    rows_ND = torch.stack(list(rows)).numpy().astype(np.float32, copy=False)
    lengths_N1 = np.linalg.norm(rows_ND, axis=1, keepdims=True)
    lengths_N1[lengths_N1 == 0] = 1
    units_ND: NDArray[np.float32] = rows_ND / lengths_N1
    return units_ND
