"""What all model configs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from datagen.options import Options


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

    def fetch(self) -> None:
        """Have what it needs on this machine, once a machine and run. Raises `SetupError`."""


def models_in(value: Any) -> list[ModelConfig]:
    """The models that a stage's options name, in their order; each before those that it names itself."""
    if isinstance(value, BaseModel):
        own = [value] if isinstance(value, ModelConfig) else []
        return [*own, *(model for name in type(value).model_fields for model in models_in(getattr(value, name)))]
    if isinstance(value, Mapping):
        return [model for item in value.values() for model in models_in(item)]
    if isinstance(value, list | tuple):
        return [model for item in value for model in models_in(item)]
    return []
