"""The source `prompts`: captions without pictures, for pipelines that make the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from datagen.core.errors import ConfigError, nearest
from datagen.fetch import scheme_of
from datagen.sources import manifest
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import check_scheme
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import LONGEST_ID, escape_surrogates, faulty_row
from datagen.sources.tables import TableRow, read_columns, table_rows


class PromptsConfig(ForeignOptions):
    """Captions without pictures: one a line of a text file, or a column of JSON lines, CSV or Parquet."""

    kind: Literal["prompts"] = "prompts"
    """A `.txt`, `.jsonl`, `.csv`, `.tsv` or `.parquet` file; a table may have the columns `id` and `session` too."""
    column: str = "caption"
    """The column of a table that has the captions."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Prompts(self.path, column=self.column, license=self.license, credit=self.credit)


FIELDS = ("caption", "license", "credit", "session")
_LONGEST = 100_000
"""Most characters of a caption, as in a manifest."""


class Prompts:
    """One record for each caption. Its id is that of the row, or the number of the line or row."""

    writes = FIELDS

    def __init__(self, path: str, *, column: str, license: str, credit: str) -> None:
        self.path = path
        self._column = column
        self._default = {"license": license, "credit": credit, "session": ""}
        self._is_text = path.lower().endswith(".txt")

    def check(self) -> None:
        """Raise `ConfigError` if a local file is missing, has no captions, or lacks the column."""
        check_scheme(self.path)
        if scheme_of(self.path) == "file":
            if next(self._table(), None) is None:
                raise ConfigError(self._empty())
            if not self._is_text and self._column not in (found := read_columns(self.path)):
                raise ConfigError(f"{self.path}: there is no column '{self._column}'; {nearest(self._column, found)}")

    def _empty(self) -> str:
        return f"{self.path}: holds no captions"

    def count(self) -> int | None:
        """The number of captions; None if the file is not on this machine, or cannot be read."""
        if scheme_of(self.path) != "file":
            return None
        try:
            return sum(1 for _ in self._table())
        except ConfigError:
            return None

    def rows(self) -> Iterator[SourceRow]:
        """The captions in the order of the file."""
        yield from with_unique_ids(map(self._row, self._table()), path=self.path, empty=self._empty())

    def _table(self) -> Iterator[TableRow]:
        return self._lines() if self._is_text else table_rows(self.path)

    def _lines(self) -> Iterator[TableRow]:
        """The lines of a text file that are not blank."""
        for number, line in manifest.read_lines(self.path):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                yield TableRow(f"line {number}", {}, f"not valid UTF-8: {error.reason} at byte {error.start + 1}")
                continue
            if text:
                yield TableRow(f"line {number}", {self._column: text})

    def _row(self, row: TableRow) -> SourceRow:
        name, where = f"%{row.where.replace(' ', '')}", f"{self.path}: {row.where}"
        if row.error:
            return faulty_row(name, f"{where}: {row.error}")
        try:
            caption, session = self._caption(row.data), row.data.get("session") or ""
            if not isinstance(session, str):
                raise ValueError(f"'session' is {session!r:.60}; it has to be text")
            id = self._id(row)
        except ValueError as error:
            return faulty_row(name, f"{where}: {error}")
        fields = {**self._default, "caption": caption, "session": escape_surrogates(session)}
        return SourceRow(escape_id(escape_surrogates(id)), fields)

    def _caption(self, data: Mapping[str, Any]) -> str:
        caption = data.get(self._column)
        if not isinstance(caption, str) or not caption.strip():
            raise ValueError(f"'{self._column}' is {caption!r:.60}; it has to be text with a word in it")
        if len(caption) > _LONGEST:
            raise ValueError(f"'{self._column}' has {len(caption):,} characters, more than {_LONGEST:,}")
        return escape_surrogates(caption.strip())

    def _id(self, row: TableRow) -> str:
        id = row.data.get("id")
        if id is None or id == "":
            return row.where.rpartition(" ")[2]
        if isinstance(id, int) and not isinstance(id, bool):
            return str(id)
        if not isinstance(id, str) or len(id) > LONGEST_ID:
            raise ValueError(f"'id' is {id!r:.60}; it has to be text or a whole number")
        return id
