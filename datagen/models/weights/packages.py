"""Packages that only some models need."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

from datagen.errors import SetupError


def package(name: str, *, extra: str) -> ModuleType:
    """A module that a model needs. Raises `SetupError` that names the command which brings it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = "is not installed" if isinstance(error, ModuleNotFoundError) else "cannot be imported"
        raise SetupError(f"the package '{name}' {what} ({error}): pip install 'datagen[{extra}]'") from error


def check_packages(names: Sequence[str], *, extra: str) -> None:
    """Import all of `names`. Raises `SetupError` at the first that is not there."""
    for name in names:
        package(name, extra=extra)
