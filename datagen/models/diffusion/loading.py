"""Load a diffusers pipeline from a folder, and refuse what diffusers would load silently: missing weights or words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datagen.core.errors import SetupError, nearest
from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.weights.config import WeightsSourceConfig
from datagen.models.weights.packages import import_package
from datagen.models.weights.pretrained import load_errors_explained

if TYPE_CHECKING:
    import torch

_INDEX = "model_index.json"
_shared: ContextVar[dict[tuple[str, ...], Any] | None] = ContextVar("shared_pipelines", default=None)


@contextmanager
def shared_weights() -> Iterator[None]:
    """Load equal pipelines once inside the block, such as FLUX.2 klein as a generator and as an editor.

    Only one of their users may call the pipeline at a time: its scheduler has a state.
    """
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def load_pipeline(config: DiffusersConfig, device: str) -> Any:
    """The pipeline on `device`, checked against the config's role and arguments before its weights are read.

    Raises `SetupError`.
    """
    dtype = config.prepare(device)
    folder = config.weights_path()
    index = read_index(folder)
    cls = _pipeline_class(config.pipeline or str(index.get("_class_name")), folder)
    fault = config.fault(cls.__name__, inspect.signature(cls.__call__).parameters)
    if fault:
        raise SetupError(f"{folder.name}: {fault}")
    loaded = _shared.get()
    if loaded is None:
        loaded = {}
    key = (str(folder), cls.__name__, config.precision, config.offload, config.safety_checker, device)
    if key not in loaded:
        pipe = read_pipeline(cls, config, folder, dtype=dtype, safety_checker=config.safety_checker)
        loaded[key] = _move_to_device(pipe, config, device)
    return loaded[key]


def read_index(folder: Path) -> dict[str, Any]:
    """What a folder says its pipeline is made of: `_class_name`, and library and class of each part by name.

    Raises `SetupError` if it is no folder of diffusers.
    """
    path = folder / _INDEX
    if not path.is_file():
        what = "is one file" if folder.is_file() else f"has no {_INDEX}"
        raise SetupError(
            f"{folder} {what}, so it is no pipeline of diffusers: give the folder that `save_pretrained` wrote, "
            "or the name of such a repository"
        )
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SetupError(f"{path} is damaged ({error}): fetch the weights again") from error
    return found if isinstance(found, dict) else {}


def _pipeline_class(name: str, folder: Path) -> Any:
    diffusers = import_package("diffusers", extra="models")
    known = [each for each in dir(diffusers) if each.endswith("Pipeline")]
    if name not in known:
        raise SetupError(
            f"{folder.name}: its pipeline is '{name}', which diffusers {diffusers.__version__} does not have; "
            f"{nearest(name, known)} Name one by `pipeline`, or take a newer diffusers"
        )
    return getattr(diffusers, name)


def read_pipeline(
    cls: Any,
    config: WeightsSourceConfig,
    folder: Path,
    *,
    dtype: torch.dtype,
    safety_checker: Literal["keep", "leave_out"],
) -> Any:
    """The pipeline of class `cls` in a folder, on the CPU. Raises `SetupError`, also if any weight is missing."""
    index = read_index(folder)
    for library in ("diffusers", "transformers"):
        import_package(f"{library}.utils.logging", extra="models").disable_progress_bar()
    leave_out = safety_checker == "leave_out" and "safety_checker" in index
    given: dict[str, Any] = {"safety_checker": None, "requires_safety_checker": False} if leave_out else {}
    if "add_watermarker" in inspect.signature(cls.__init__).parameters:
        given["add_watermarker"] = False  # else SDXL adds a watermark on machines where a package for it is installed
    with load_errors_explained(config, cls.__name__):
        given |= _transformers_parts(folder, index, config, dtype)
        pipe = cls.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True, **given)
    for name, part in pipe.components.items():
        _check_no_meta_weights(name, part, config)
    _check_tokenizers(pipe.components, config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _transformers_parts(
    folder: Path, index: dict[str, Any], config: WeightsSourceConfig, dtype: torch.dtype
) -> dict[str, Any]:
    """The transformers models of a pipeline, each loaded by itself and checked.

    If the pipeline loads them, missing weights are initialised at random without an error.
    """
    import transformers

    found: dict[str, Any] = {}
    for name, entry in index.items():
        library, kind = entry if isinstance(entry, list) and len(entry) == 2 else ("", "")
        cls: Any = getattr(transformers, str(kind), None) if library == "transformers" else None
        if inspect.isclass(cls) and issubclass(cls, transformers.PreTrainedModel):
            read: Any = cls.from_pretrained
            found[name], report = read(
                folder / name, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
            _refuse_missing(name, sorted(report["missing_keys"]), config)
    return found


def _check_no_meta_weights(name: str, part: Any, config: WeightsSourceConfig) -> None:
    """Raise `SetupError` if a network has weights on the meta device: diffusers leaves those there it did not find."""
    import torch

    if isinstance(part, torch.nn.Module):
        _refuse_missing(name, [weight for weight, value in part.named_parameters() if value.is_meta], config)


def _refuse_missing(name: str, missing: list[str], config: WeightsSourceConfig) -> None:
    if missing:
        raise SetupError(
            f"{config.weights} lacks {len(missing)} weights of its {name}, such as '{missing[0]}': it is damaged, or "
            "another model's; the model would make noise"
        )


def _check_tokenizers(parts: dict[str, Any], config: WeightsSourceConfig) -> None:
    """Raise `SetupError` for a tokenizer without a vocabulary: transformers makes one if its files are missing."""
    for name, part in parts.items():
        encoder = parts.get(name.replace("tokenizer", "text_encoder"))
        if name.startswith("tokenizer") and part is not None and encoder is not None:
            known, words = len(part), encoder.config.get_text_config().vocab_size
            if known < words / 2:
                raise SetupError(
                    f"the {name} of {config.weights} knows {known} words, its model {words}: files are missing in "
                    f"the folder {name} (tokenizer.json, vocab.json and merges.txt, or spiece.model); fetch them again"
                )


def _move_to_device(pipe: Any, config: DiffusersConfig, device: str) -> Any:
    import torch

    if config.offload == "none":
        try:
            return pipe.to(device)
        except torch.OutOfMemoryError as error:
            message = str(error).splitlines()[0]
            raise SetupError(
                f"the weights {config.weights} do not fit into GPU memory in {config.precision} ({message}): "
                "take `precision: bfloat16`, `offload: model`, a smaller model or a larger GPU"
            ) from error
    if device == "cpu":
        raise SetupError(
            f"`offload: {config.offload}` brings weights to a GPU, but the stage has none: "
            "give it one (`resources: {gpus: 1}`), or set `offload: none`"
        )
    if config.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)
    return pipe
