"""Load models, image processors and tokenizers of transformers, with checks that transformers leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from datagen.core.errors import SetupError
from datagen.models.weights.config import WeightsConfig, WeightsSourceConfig


@contextmanager
def load_errors_explained(config: WeightsSourceConfig, what: str) -> Iterator[None]:
    """Turn any exception inside the block into a `SetupError` that names the weights and `what` was being read."""
    try:
        yield
    except SetupError:
        raise
    except Exception as error:  # libraries raise all kinds on files that are missing, cut off or another model's
        raise SetupError(
            f"{config.weights} holds no {what} that kind '{config.kind}' can read ({_why(error)}): "
            "check `weights` and `kind`, and that all files of the repository are there and whole"
        ) from error


def _why(error: Exception) -> str:
    if type(error).__name__ == "UnpicklingError":  # torch's own message advises to run whatever code the file holds
        return "it is damaged, or holds more than tensors, which is never loaded"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no reason given'}"


def load_pretrained(maker: Any, config: WeightsConfig, *, device: str, **options: Any) -> Any:
    """A model of transformers in evaluation mode on `device`, made by the class `maker`.

    `options` go to its `from_pretrained`. Raises `SetupError`, also if any weight is missing or has another shape.
    """
    options = {"dtype": config.prepare(device), **options}
    path = config.weights_path()
    with load_errors_explained(config, "model"), _quiet():
        # With mismatched sizes ignored they are in the report, and the error below can name them like missing ones.
        model, report = maker.from_pretrained(
            path, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    if lacking := sorted([*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])]):
        raise SetupError(
            f"{config.weights} lacks {len(lacking)} weights of a {type(model).__name__}, such as '{lacking[0]}', or "
            "has them in another size: it is another model, or damaged; the model would answer at random"
        )
    return model.eval().requires_grad_(False).to(device)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers: no progress bars, and no table of unused weights, such as those of an unused tower."""
    from transformers.utils import logging as logging_untyped

    logging: Any = logging_untyped
    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()


def load_image_processor(config: WeightsConfig) -> Any:
    """The image processor saved with the weights, in its Pillow version. Raises `SetupError`.

    Models were trained, and published thresholds were found, with Pillow's resizing; that of torchvision differs.
    """
    from transformers import AutoImageProcessor

    with load_errors_explained(config, "image processor"):
        reader: Any = AutoImageProcessor
        return reader.from_pretrained(config.weights_path(), local_files_only=True, backend="pil")


def load_tokenizer(config: WeightsSourceConfig, *, vocab_size: int) -> Any:
    """The tokenizer saved with the weights of a model whose vocabulary has `vocab_size` tokens. Raises `SetupError`.

    If its files are missing, transformers silently makes a tokenizer without a vocabulary. That is an error here.
    """
    from transformers import AutoTokenizer

    with load_errors_explained(config, "tokenizer"):
        found = AutoTokenizer.from_pretrained(config.weights_path(), local_files_only=True)
    if len(found) < vocab_size / 2:  # half: a model's embeddings may have rows that no token of its tokenizer uses
        raise SetupError(
            f"the tokenizer of {config.weights} knows {len(found)} words, the model {vocab_size}: "
            "its files are missing (tokenizer.json, or vocab.json and merges.txt), fetch them again"
        )
    return found
