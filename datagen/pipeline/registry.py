"""Find stages by name: `stages/detect_subject.py` holds `DetectSubject`."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from datagen.core.error_text import message_of
from datagen.core.errors import ConfigError, nearest
from datagen.core.stage import Stage, stage_name

BUILT_IN = "stages"


def stage_names(plugins: Iterable[str] = ()) -> dict[str, str]:
    """The module of every stage, by the stage's name. Imports the packages, but no stage.

    Raises `ConfigError` if a package is missing, or if two packages have a stage of the same name.
    """
    found: dict[str, str] = {}
    for package in (BUILT_IN, *plugins):
        for info in pkgutil.iter_modules(_folders(package)):
            module = f"{package}.{info.name}"
            if info.name.startswith("_"):
                continue  # a helper of the package's stages
            if info.name in found:
                raise ConfigError(f"stage '{info.name}' is both {found[info.name]} and {module}; rename one of them")
            found[info.name] = module
    return found


def find_stage(name: str, *, plugins: Iterable[str] = (), known: Mapping[str, str] | None = None) -> type[Stage]:
    """The class of the stage called `name`. Raises `ConfigError` if there is none, or if it cannot be imported.

    `known` is what `stage_names(plugins)` gave, for callers that look for several: it lists folders.
    """
    known = stage_names(plugins) if known is None else known
    if name not in known:
        raise ConfigError(f"there is no stage '{name}'; {nearest(name, known)}")
    try:
        with redirect_stdout(sys.stderr):  # a plugin may print on import: stdout is for the command's own answer
            module = import_module(known[name])
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin's code may raise anything
        what = f"{type(error).__name__}: {message_of(error)}"
        raise ConfigError(f"stage '{name}' cannot be imported from {known[name]}: {what}") from error
    return _stage_in(module, name)


def _folders(package: str) -> list[str]:
    try:
        with redirect_stdout(sys.stderr):
            spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # a dotted name imports the package around it, whose code may raise anything
        what = f"{type(error).__name__}: {message_of(error)}"
        raise ConfigError(f"package '{package}' cannot be imported to take stages from: {what}") from error
    if spec is None or spec.submodule_search_locations is None:
        raise ConfigError(f"there is no package '{package}' to take stages from; install it, or correct `plugins`")
    return list(spec.submodule_search_locations)


def _stage_in(module: ModuleType, name: str) -> type[Stage]:
    """The stage class that the module itself defines under this name; classes that it imports do not count."""
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Stage) and value.__module__ == module.__name__
    ]
    for cls in classes:
        if stage_name(cls) == name:
            return cls
    wanted = "".join(part.capitalize() for part in name.split("_"))
    raise ConfigError(f"{module.__name__} holds no stage class called {wanted}")
