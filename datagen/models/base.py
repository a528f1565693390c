"""The base class of all model configs, and how to find the models in a stage's options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from datagen.core.options import Options


class ModelConfig(Options):
    """The config of one implementation of a role, chosen by its `kind`; `load(device)` makes the model.

    Subclasses import torch and other heavy packages only inside methods: `check` constructs every config of a file and
    is to finish within a second.
    """

    kind: str
    needs: ClassVar[tuple[str, ...]] = ()
    """Fields of a record that this implementation reads beyond those of its role."""
    license: ClassVar[str] = ""
    """Licence of the weights; it may also restrict what is made with them. '' if there are no weights."""
    remote: ClassVar[bool] = False
    """Whether it calls a service and waits for it; the stage that uses it then does too."""
    deterministic: ClassVar[bool] = True
    """Whether the same input always gives the same bytes."""
    version: ClassVar[int] = 1
    """Raise it by hand when the implementation's output changes: it is part of the fingerprint."""

    @property
    def revision(self) -> str:
        """What the output depends on: the implementation's version, and in subclasses the revision of the weights."""
        return f"{self.kind}@{self.version}"

    @property
    def effective_license(self) -> str | None:
        """The licence of the weights: '' if it is unknown, None if there are no weights."""
        return self.license or None

    def fetch(self) -> None:
        """Download what it needs, once per machine and run. Raises `SetupError`."""


def models_in(value: Any) -> list[ModelConfig]:
    """The model configs in a stage's options, in the order of the options; a model precedes the models inside it."""
    return [model for _, model in models_with_paths(value)]


Path = tuple[str | int, ...]
"""Names of options, keys of mappings and indices of lists that lead to a value."""


def models_with_paths(value: Any, path: Path = ()) -> Iterator[tuple[Path, ModelConfig]]:
    """The same models, each with its path in `value`; `path` is put before all of them."""
    if isinstance(value, ModelConfig):
        yield path, value
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, BaseModel):
        parts = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for name, part in parts:
        yield from models_with_paths(part, (*path, name))
