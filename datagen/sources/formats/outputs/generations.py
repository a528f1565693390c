"""The source `generations`: what a user's own model wrote and painted for prompts, to be judged and criticised.

A row is `{"id", "prompt", "steps": [{"instruction", "picture", "description", "mended", "verdict", "critique",
"correction", ...}, ...], "license", "credit"}`; `OutputStep` has all keys of a step. Only `id`, `prompt`,
`instruction` and `picture` are required. A row without `steps` is one step that was to do what the prompt says, and has
the other keys of a step itself. In CSV, `steps` is JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from datagen.core.errors import ConfigError, nearest
from datagen.fetch import folder_of, scheme_of
from datagen.sources.base import ForeignOptions, Source, SourceRow
from datagen.sources.file_listing import check_scheme
from datagen.sources.formats.outputs.rows import (
    OUTPUT_FIELDS,
    PARTS,
    CritiqueOf,
    ModelOutput,
    OutputStep,
    part_row,
    parts_of,
)
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import escape_surrogates, faulty_row
from datagen.sources.tables import TableRow, check_columns, parse_cell, table_rows


class GenerationsConfig(ForeignOptions):
    """Outputs of a user's own model for prompts, step by step or a picture each, to be judged by `write_critique`."""

    kind: Literal["generations"] = "generations"
    """A `.jsonl`, `.csv` or `.parquet` table with `id`, `prompt`, and `steps` or `picture`."""
    parts: tuple[CritiqueOf, ...] = Field(default=PARTS, min_length=1)
    """What records are made of: `description`, `picture` and `mended` of each step, where the row has them."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Generations(self)


_STEP = tuple(OutputStep.model_fields)
_OUTPUT = tuple(ModelOutput.model_fields)
_ALONE = tuple(key for key in _STEP if key != "instruction")
"""Keys that a row without `steps` may have itself."""


class Generations:
    """One record for each part to judge. Its id is the row's, the number of the step from 1, and the kind of part."""

    writes = OUTPUT_FIELDS

    def __init__(self, config: GenerationsConfig) -> None:
        self.path = config.path
        self._base = folder_of(config.path)
        self._kinds = config.parts
        self._default = {key: value for key in ("license", "credit") if (value := getattr(config, key))}

    def check(self) -> None:
        """Raise `ConfigError` if a local file is missing, has no rows, has unknown columns, or lacks required ones."""
        check_scheme(self.path)
        if scheme_of(self.path) == "file":
            check_columns(self.path, known=(*_OUTPUT, *_ALONE), needed=("id", "prompt"))
            if next(table_rows(self.path), None) is None:
                raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no generations"

    def count(self) -> int | None:
        """None: it is unknown without reading all rows."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The parts of each output, row by row."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        for row in table_rows(self.path):
            try:
                output = self._output(row)
            except (ValueError, RecursionError) as error:
                yield faulty_row(f"%{row.where.replace(' ', '')}", f"{self.path}: {row.where}: {error}")
                continue
            for part in parts_of(output, kinds=self._kinds):
                yield part_row(output, part, base=self._base)

    def _output(self, row: TableRow) -> ModelOutput:
        """The output in a row. Raises `ValueError` with what is wrong."""
        if row.error:
            raise ValueError(row.error)
        data = {key: value for key, value in row.data.items() if value not in (None, "")}
        if isinstance(data.get("steps"), str):
            data["steps"] = parse_cell("steps", data["steps"])
        data = {**self._default, **(data if "steps" in data else _as_steps(data))}
        if isinstance(data.get("id"), int) and not isinstance(data["id"], bool):
            data["id"] = str(data["id"])
        try:
            return ModelOutput.model_validate(_without_nulls(data))
        except ValidationError as error:
            faults = "; ".join(_format_fault(fault) for fault in error.errors(include_url=False)[:5])
            raise ValueError(escape_surrogates(faults)) from error


def _as_steps(data: Mapping[str, Any]) -> dict[str, Any]:
    """A row without steps as a row with one."""
    if "picture" not in data:
        raise ValueError("has neither 'steps' nor 'picture'; give one of them")
    step = {key: data[key] for key in _ALONE if key in data}
    rest = {key: value for key, value in data.items() if key not in _ALONE}
    return {**rest, "steps": [{"instruction": data.get("prompt"), **step}]}


def _without_nulls(data: Mapping[str, Any]) -> dict[str, Any]:
    """The row, its steps without keys that are null, as Parquet has them. Raises `ValueError` if `steps` is no list."""
    steps = data["steps"]
    if not isinstance(steps, list):
        raise ValueError(f"'steps' is {type(steps).__name__}, not a list")
    return {**data, "steps": [_filled(step) if isinstance(step, Mapping) else step for step in steps]}


def _filled(step: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in step.items() if value is not None}


def _format_fault(fault: Any) -> str:
    place = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = _STEP if "steps" in fault["loc"] else (*_OUTPUT, *_ALONE)
        return f"unknown key '{place:.200}'; {nearest(str(fault['loc'][-1])[:200], known)}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"'{place}': {message[0].lower()}{message[1:]}"
