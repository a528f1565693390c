"""The base of every config model: frozen, strict about its keys; and which options decide what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict


class _Pace:
    """Marks an option that says how fast or at what price something comes out, never what."""


PACE: Final = _Pace()
"""Stands in the annotation of such an option, which fingerprints leave out: `Annotated[float, PACE]`."""


class Options(BaseModel):
    """Settings read from a file: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


def decisive(options: BaseModel) -> dict[str, Any]:
    """Options as plain data, without those marked `PACE`, however deep they stand."""
    return options.model_dump(mode="json", exclude=_paces(options) or None)


def _paces(value: Any) -> Any:
    """Where options marked `PACE` stand in a value, as pydantic's `exclude` wants it."""
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
