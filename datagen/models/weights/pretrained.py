"""Models and processors of transformers, loaded from a folder that is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from datagen.core.errors import SetupError
from datagen.models.weights.config import WeightsConfig, WeightsSourceConfig


@contextmanager
def load_errors_explained(config: WeightsSourceConfig, what: str) -> Iterator[None]:
    """Whatever a library raises as it reads weights becomes a `SetupError` that names `what` was to be read."""
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
    if type(error).__name__ == "UnpicklingError":  # torch's own words advise to run whatever code the file holds
        return "it is damaged, or holds more than tensors, which is never loaded"
    told = str(error).strip().splitlines()
    return f"{type(error).__name__}: {told[0][:300] if told else 'no reason given'}"


def load_pretrained(maker: Any, config: WeightsConfig, *, device: str, **options: Any) -> Any:
    """A model of transformers in evaluation mode, its weights all there. Raises `SetupError`."""
    wanted = {"dtype": config.prepare(device), **options}
    place = config.weights_path()
    with load_errors_explained(config, "model"), _quiet():
        model, report = maker.from_pretrained(
            place, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **wanted
        )
    if lacking := sorted([*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])]):
        raise SetupError(
            f"{config.weights} lacks {len(lacking)} weights of a {type(model).__name__}, such as '{lacking[0]}', or "
            "has them in another size: it is another model, or damaged; the model would answer at random"
        )
    return model.eval().requires_grad_(False).to(device)


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars, and no table of weights that are left over, such as those of a tower that is not wanted."""
    from transformers.utils import logging

    telling: Any = logging
    told, barred = telling.get_verbosity(), telling.is_progress_bar_enabled()
    telling.set_verbosity_error()
    telling.disable_progress_bar()
    try:
        yield
    finally:
        telling.set_verbosity(told)
        if barred:
            telling.enable_progress_bar()


def load_image_processor(config: WeightsConfig) -> Any:
    """The processor that the weights come with, in its Pillow form, as models were trained and thresholds found."""
    from transformers import AutoImageProcessor

    with load_errors_explained(config, "image processor"):
        reader: Any = AutoImageProcessor
        return reader.from_pretrained(config.weights_path(), local_files_only=True, backend="pil")


def load_tokenizer(config: WeightsSourceConfig, *, words: int) -> Any:
    """The tokenizer that the weights come with, for a model that knows so many `words`. Raises `SetupError`.

    Where its files are missing, transformers makes one that knows no words at all, and says nothing.
    """
    from transformers import AutoTokenizer

    with load_errors_explained(config, "tokenizer"):
        found = AutoTokenizer.from_pretrained(config.weights_path(), local_files_only=True)
    if len(found) < words / 2:
        raise SetupError(
            f"the tokenizer of {config.weights} knows {len(found)} words, the model {words}: "
            "its files are missing (tokenizer.json, or vocab.json and merges.txt), fetch them again"
        )
    return found
