"""Packages that only some models need."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

from datagen.core.errors import SetupError

_ALSO_INSTALL = {"groundingdino": " && pip install --no-deps groundingdino-py"}
"""What an extra cannot bring: this one asks for an OpenCV that takes the place of ours, and works without it."""


def import_package(name: str, *, extra: str) -> ModuleType:
    """A module that a model needs. Raises `SetupError` that names the command which brings it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = "is not installed" if isinstance(error, ModuleNotFoundError) else "cannot be imported"
        also = _ALSO_INSTALL.get(extra, "")
        raise SetupError(f"the package '{name}' {what} ({error}): pip install 'datagen[{extra}]'{also}") from error


def check_packages(names: Sequence[str], *, extra: str) -> None:
    """Import all of `names`. Raises `SetupError` at the first that is not there."""
    for name in names:
        import_package(name, extra=extra)
