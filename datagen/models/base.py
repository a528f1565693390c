"""What all model configs share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from datagen.core.options import Options


class ModelConfig(Options):
    """Names one implementation by its `kind`; `load(device)` makes it.

    Subclasses are cheap to construct and import nothing heavy until `load`.
    """

    kind: str
    needs: ClassVar[tuple[str, ...]] = ()
    """Fields of a record that this implementation reads beyond those of its role."""
    license: ClassVar[str] = ""
    """Licence of the weights, which may bind what is made with them; '' where there are none."""
    remote: ClassVar[bool] = False
    """It waits for a service, so that the stage that uses it does."""
    deterministic: ClassVar[bool] = True
    """The same input always gives the same bytes."""
    version: ClassVar[int] = 1
    """Raised by hand when the implementation's output changes."""

    @property
    def revision(self) -> str:
        """What pins the output: weights' revision, or the implementation's version."""
        return f"{self.kind}@{self.version}"

    @property
    def licensed(self) -> str | None:
        """The licence of its weights; '' where nobody says which, None where there is nothing that one would bind."""
        return self.license or None

    def fetch(self) -> None:
        """Have what it needs on this machine, once a machine and run. Raises `SetupError`."""


def models_in(value: Any) -> list[ModelConfig]:
    """The models that a stage's options name, in their order; each before those that it names itself."""
    return [model for _, model in models_with_paths(value)]


def models_with_paths(
    value: Any, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], ModelConfig]]:
    """The same, each with the path on which it stands."""
    if isinstance(value, ModelConfig):
        yield place, value
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, BaseModel):
        parts = ((name, getattr(value, name)) for name in type(value).model_fields)
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for name, part in parts:
        yield from models_with_paths(part, (*place, name))
