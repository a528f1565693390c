"""Loads a pipeline of diffusers from a folder."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import torch

from datagen.errors import SetupError, nearest
from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.weights.packages import package

_INDEX = "model_index.json"


def load(config: DiffusersConfig, device: str) -> Any:
    """The pipeline on `device`, checked against the config's role and arguments before its weights are read.

    Raises `SetupError`.
    """
    dtype = config.ready(device)
    place = config.place()
    index = _index(place)
    cls = _class(config.pipeline or str(index.get("_class_name")), place)
    fault = config.fault(cls.__name__, inspect.signature(cls.__call__).parameters)
    if fault:
        raise SetupError(f"{place.name}: {fault}")
    return _on_device(_read(cls, place, index, config, dtype), config, device)


def _index(place: Path) -> dict[str, Any]:
    path = place / _INDEX
    if not path.is_file():
        what = "is one file" if place.is_file() else f"has no {_INDEX}"
        raise SetupError(
            f"{place} {what}, so it is no pipeline of diffusers: give the folder that `save_pretrained` wrote, "
            "or the name of such a repository"
        )
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SetupError(f"{path} is damaged ({error}): fetch the weights again") from error
    return found if isinstance(found, dict) else {}


def _class(name: str, place: Path) -> Any:
    diffusers = package("diffusers", extra="models")
    known = [each for each in dir(diffusers) if each.endswith("Pipeline")]
    if name not in known:
        raise SetupError(
            f"{place.name}: its pipeline is '{name}', which diffusers {diffusers.__version__} does not have; "
            f"{nearest(name, known)} Name one by `pipeline`, or take a newer diffusers"
        )
    return getattr(diffusers, name)


def _read(cls: Any, place: Path, index: dict[str, Any], config: DiffusersConfig, dtype: torch.dtype) -> Any:
    package("diffusers.utils.logging", extra="models").disable_progress_bar()
    package("transformers.utils.logging", extra="models").disable_progress_bar()
    leave_out = config.safety_checker == "leave_out" and "safety_checker" in index
    parts: dict[str, Any] = {"safety_checker": None, "requires_safety_checker": False} if leave_out else {}
    if "add_watermarker" in inspect.signature(cls.__init__).parameters:
        parts["add_watermarker"] = False  # else SDXL marks pictures wherever a package that can is installed
    try:
        pipe = cls.from_pretrained(place, dtype=dtype, local_files_only=True, use_safetensors=True, **parts)
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError, ImportError, KeyError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SetupError(f"{place} cannot be loaded as {cls.__name__}: {told}") from error
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _on_device(pipe: Any, config: DiffusersConfig, device: str) -> Any:
    if config.offload == "none":
        return pipe.to(device)
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
