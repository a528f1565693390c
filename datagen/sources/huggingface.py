"""The source `huggingface`: a Hugging Face dataset on disk, as Parquet files or as `save_to_disk` wrote it.

The driver reads the text columns. The pictures, which are bytes or structs of `bytes` and `path`, are read by the
workers, cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from datagen.core.errors import ConfigError, nearest
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.hub_files import HubFile, HubFiles
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import FIELDS, faulty_row, validate_row
from datagen.sources.tables import TableRow


class HuggingFaceConfig(ForeignOptions):
    """A Hugging Face dataset on disk: Parquet files, or what `save_to_disk` wrote."""

    kind: Literal["huggingface"] = "huggingface"
    """Pictures in the cells of tables."""
    path: str = Field(min_length=1)
    """Address of the dataset's folder, or a glob of its Parquet files."""
    split: str = ""
    """Which split; all, if not given."""
    image_column: str = Field(default="image", min_length=1)
    """Column of the pictures."""
    id_column: str = ""
    """Column of the ids; if not given, a row is called by its file and number."""
    caption_column: str = ""
    """Column of the captions; of a list of them, the first is taken."""
    license_column: str = ""
    """Column of the licences."""
    credit_column: str = ""
    """Column of who made the pictures."""
    session_column: str = ""
    """Column of the session that a row belongs to."""
    objects_column: str = ""
    """Column of the objects, each as a manifest has it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        names = ("id", "caption", "license", "credit", "session", "objects")
        return HuggingFace(
            self.path,
            split=self.split,
            image=self.image_column,
            columns={name: getattr(self, f"{name}_column") for name in names},
            default={"license": self.license, "credit": self.credit},
        )


class HuggingFace:
    """One record for each row. Its id is from a column, or made of the file and the number of the row."""

    writes = FIELDS

    def __init__(self, path: str, *, split: str, image: str, columns: Mapping[str, str], default: Mapping[str, str]):
        self.path = path
        self._files = HubFiles(path, split=split)
        self._image = image
        self._columns = {field: column for field, column in columns.items() if column}
        self._default = {field: text for field, text in default.items() if text}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no such files, or if the first one lacks a column."""
        self._files.listing.check_scheme()
        if self._files.listing.is_local:
            self._check_columns(self._files.first(), self.columns())

    def columns(self) -> list[str]:
        """The column names of the first file. Raises `ConfigError` if there is no file."""
        return self._files.columns(self._files.first())

    def count(self) -> int | None:
        """The number of rows of local Parquet files; None for other files."""
        return self._files.count()

    def rows(self) -> Iterator[SourceRow]:
        """The rows of all files; files sorted by name, or in the order of `state.json`."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._files.empty)

    def _all(self) -> Iterator[SourceRow]:
        wanted = [*dict.fromkeys(self._columns.values())]
        for found in self._files:
            self._check_columns(found, self._files.columns(found))
            with self._files.rows(found, wanted) as rows:
                for number, row in enumerate(rows):
                    yield self._row(found, number, row)

    def _row(self, found: HubFile, number: int, row: TableRow) -> SourceRow:
        where, values, fault = row
        name = f"{found.stem}/{number}"
        if fault:
            return faulty_row(escape_id(name), f"{where}: {fault}")
        data: dict[str, Any] = {"id": name, **self._default}
        data["uri"] = found.cell(row=number, column=self._image)
        for field, column in self._columns.items():
            value = values[column]
            if field == "caption" and isinstance(value, list):
                value = value[0] if value else None
            if field == "id" and isinstance(value, int):
                value = str(value)
            if field == "id" and not value:
                return faulty_row(
                    escape_id(name), f"{where}: the column '{column}' is empty, but ids are taken from it"
                )
            if value is not None:
                data[field] = value
        return validate_row(data, base=self._files.base, where=where, name=escape_id(name))

    def _check_columns(self, found: HubFile, names: Sequence[str]) -> None:
        for option, column in {"image": self._image, **self._columns}.items():
            if column not in names:
                key = "image_column" if option == "image" else f"{option}_column"
                raise ConfigError(
                    f"{self._files.address(found)}: there is no column '{column}' (`{key}`); {nearest(column, names)}"
                )
