"""Tokenizers of weights that a training begins with: read once, as the words of every sample are counted by them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from datagen.models.weights.config import WeightsSourceConfig
from datagen.models.weights.packages import import_package
from datagen.models.weights.pretrained import load_errors_explained


@lru_cache(maxsize=4)
def tokenizer_of(config: WeightsSourceConfig) -> Any:
    """The tokenizer of weights: in the folder `tokenizer` of a pipeline, or beside them. Raises `SetupError`."""
    transformers: Any = import_package("transformers", extra=config.extra)
    folder = config.weights_path()
    place = folder / "tokenizer" if (folder / "tokenizer").is_dir() else folder
    with load_errors_explained(config, "tokenizer"):
        return transformers.AutoTokenizer.from_pretrained(place, local_files_only=True)
