"""Import packages that only some models need, with an error that names the command to install them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

from datagen.core.errors import SetupError

_ALSO_INSTALL = {"groundingdino": " && pip install --no-deps groundingdino-py"}
"""Commands to add to that of an extra. `groundingdino-py` requires an OpenCV package that would replace ours, though it
works without it; hence it cannot be a dependency of the extra."""


def import_package(name: str, *, extra: str) -> ModuleType:
    """Import a module that a model needs. Raises `SetupError` that names the command to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = "is not installed" if isinstance(error, ModuleNotFoundError) else "cannot be imported"
        also = _ALSO_INSTALL.get(extra, "")
        raise SetupError(f"the package '{name}' {what} ({error}): pip install 'datagen[{extra}]'{also}") from error


def check_packages(names: Sequence[str], *, extra: str) -> None:
    """Import all of `names`. Raises `SetupError` at the first that cannot be imported."""
    for name in names:
        import_package(name, extra=extra)
