"""The source `subjects200k`: pictures of two panels that show one object, with descriptions and ratings.

The columns, as in its card: `image`, `collection`, `quality_assessment` {compositeStructure, objectConsistency,
imageQuality, each 0 to 5} and `description` {item, description_0, description_1, description_valid}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from datagen.core.errors import ConfigError, nearest
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.formats.generation.columns import Columns, HubRow
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import FIELDS, Text, faulty_row, format_faults, validate_row


class Subjects200kConfig(ForeignOptions):
    """Subjects200K: pictures of two panels that show one object, for `split_panels`; not verified on real data."""

    kind: Literal["subjects200k"] = "subjects200k"
    """Parquet files with the columns `image`, `collection`, `quality_assessment` and `description`."""
    path: str = Field(min_length=1)
    """Address of the dataset's folder, or a glob of its Parquet files."""
    collection: str = ""
    """Which collection, such as collection_2; all, if not given."""
    license: str = "Apache-2.0"
    """Licence of every picture; that of the dataset's card."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Subjects200k(self.path, collection=self.collection, license=self.license, credit=self.credit)


_LENIENT = with_config(ConfigDict(extra="ignore"))
_Rating = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


@_LENIENT
class _Description(TypedDict):
    item: Text
    description_0: Text
    description_1: Text
    description_valid: bool | None


@_LENIENT
class _Quality(TypedDict):
    compositeStructure: _Rating | None
    objectConsistency: _Rating | None
    imageQuality: _Rating | None


@_LENIENT
class _Row(TypedDict):
    collection: Text
    quality_assessment: _Quality | None
    description: _Description


_COLUMNS = ("collection", "quality_assessment", "description")


@cache
def _adapter() -> TypeAdapter[_Row]:
    return TypeAdapter(_Row)  # not at import, where every command would pay for it


class Subjects200k:
    """One record for each picture of two panels. Its id is the file and the row."""

    writes = (*FIELDS, "panels")

    def __init__(self, path: str, *, collection: str, license: str, credit: str) -> None:
        self.path = path
        self._collection = collection
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}
        self._table = Columns(path, _COLUMNS, unread=("image",))

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no such files, or if the first one lacks a column."""
        self._table.check()

    def count(self) -> int | None:
        """The number of rows of local Parquet files; None for other files, or if only one collection is read."""
        return None if self._collection else self._table.files.count()

    def rows(self) -> Iterator[SourceRow]:
        """The rows of all files; files sorted by name."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._table.files.empty)

    def _all(self) -> Iterator[SourceRow]:
        known: set[str] = set()
        found = False
        for row in self._table.rows():
            if row.error:
                yield faulty_row(escape_id(row.name), f"{row.where}: {row.error}")
                continue
            known.add(str(row.values["collection"]))
            if self._collection in ("", row.values["collection"]):
                found = True
                yield self._row(row)
        if known and not found:
            raise ConfigError(f"{self.path}: has no '{self._collection}'; {nearest(self._collection, known)}")

    def _row(self, row: HubRow) -> SourceRow:
        name = escape_id(row.name)
        try:
            values = _adapter().validate_python(row.values)
        except ValidationError as error:
            return faulty_row(name, f"{row.where}: {format_faults(error)}")
        picture = row.file.cell(row=row.number, column="image")
        data = {"id": row.name, "uri": picture, **self._default}
        made = validate_row(data, base=self._table.files.base, where=row.where, name=name)
        return made if made.error else made._replace(fields={**made.fields, "panels": _panels(values)})


def _panels(row: _Row) -> Mapping[str, Any]:
    words = row["description"]
    ratings: Mapping[str, Any] = row["quality_assessment"] or {}
    return {
        "item": words["item"],
        "captions": [words["description_0"], words["description_1"]],
        "valid": words["description_valid"] is not False,
        "ratings": {name: value for name, value in ratings.items() if value is not None},
    }
