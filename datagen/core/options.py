"""The base class of all config models, and the marker of options that cannot change the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict


class _Pace:
    """Marks an option that changes the speed or the price of an output, never the output."""


PACE: Final = _Pace()
"""Put into the annotation of such an option: `Annotated[float, PACE]`. Fingerprints leave the option out."""


class Options(BaseModel):
    """Settings read from a file: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


def decisive(options: BaseModel) -> dict[str, Any]:
    """Options as plain data, without those marked `PACE` at any depth: what a fingerprint is made of."""
    return options.model_dump(mode="json", exclude=_paces(options) or None)


def _paces(value: Any) -> Any:
    """The places of options marked `PACE` in a value, in the form of pydantic's `exclude`."""
    parts: dict[Any, Any]
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        parts = {name: True if PACE in field.metadata else _paces(getattr(value, name)) for name, field in fields}
    elif isinstance(value, Mapping):
        parts = {key: _paces(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        parts = {index: _paces(item) for index, item in enumerate(value)}
    else:
        return None
    return {name: part for name, part in parts.items() if part}
