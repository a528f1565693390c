"""The source `imgedit_turns`: ImgEdit's multi-turn edits, tables that name pictures in a folder.

A row is a session: `data` is a list of `{input_images, output_images, prompt}`, one entry a turn, where the first two
are lists of file names. A turn may start from an older picture than the one before it made (version backtracking), and
may have further inputs (content memory); the first input is the picture before the edit, a second one the reference.
Not verified on real data: neither where the pictures are nor how their names begin was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from datagen.core.errors import ConfigError
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing, split_address
from datagen.sources.formats.pairs.rows import as_list, build_pair, path_inside
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import PAIR_FIELDS, faulty_row
from datagen.sources.tables import TableRow, table_rows


class ImgEditTurnsConfig(ForeignOptions):
    """ImgEdit's multi-turn edits, as Parquet or JSON lines; not verified on real data."""

    kind: Literal["imgedit_turns"] = "imgedit_turns"
    """Sessions in which a turn may go back to an older picture; one record a turn."""
    path: str = Field(min_length=1)
    """Address of the folder of tables, with all below it, of one table, or a glob."""
    images: str = Field(min_length=1)
    """Address of the folder from which the tables' file names count."""
    group_by: str = "session"
    """Field whose equal values keep consecutive rows in one slice; '' for none."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return ImgEditTurns(self.path, images=self.images, license=self.license, credit=self.credit)


_ENDINGS = (".parquet", ".jsonl")
_CALLED = {"text": "prompt", "uri": "input_images", "target_uri": "output_images"}


class ImgEditTurns:
    """One record for each turn. Its id is the file, the row, and the number of the turn, from 1."""

    writes = PAIR_FIELDS

    def __init__(self, path: str, *, images: str, license: str, credit: str) -> None:
        self.path = path
        self._listing = FileListing(path)
        self._base = f"{images.rstrip('/')}/"
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no tables, or if the local folder of pictures is missing."""
        self._listing.check_scheme()
        if self._listing.is_local and next(self._files(), None) is None:
            raise ConfigError(self._empty())
        pictures = FileListing(self._base.rstrip("/"))
        if pictures.is_local:
            pictures.siblings("")

    def _empty(self) -> str:
        return f"{self.path}: holds no tables; their names end in {' or '.join(_ENDINGS)}"

    def count(self) -> int | None:
        """None: it is unknown without reading all rows."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The turns, file by file and row by row."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _files(self) -> Iterator[tuple[str, str]]:
        """The address of each file, and the first part of the ids of its records."""
        if self._listing.is_file():
            listing, name = split_address(self.path)
            yield f"{listing.base}{name}", name.rpartition(".")[0]
            return
        for folder in self._listing.folders():
            for name in folder.files:
                if name.endswith(_ENDINGS):
                    yield f"{self._listing.base}{folder.path}{name}", f"{folder.path}{name.rpartition('.')[0]}"

    def _all(self) -> Iterator[SourceRow]:
        for address, name in self._files():
            for row in table_rows(address):
                yield from self._turns(row, f"{address}: {row.where}", f"{name}/{row.where.rpartition(' ')[2]}")

    def _turns(self, row: TableRow, where: str, id: str) -> Iterator[SourceRow]:
        try:
            if row.error:
                raise ValueError(row.error)
            if "data" not in row.data:
                raise ValueError(f"has no column 'data'; it has: {', '.join(map(str, row.data)):.200}")
            turns = as_list(row.data["data"], where="'data'")
            if not turns:
                raise ValueError("'data' has no turns")
        except ValueError as error:
            yield faulty_row(escape_id(id), f"{where}: {error}")
            return
        for number, turn in enumerate(turns, 1):
            yield self._turn(turn, f"{where}, turn {number}", {"id": f"{id}/{number}", "session": id, "turn": number})

    def _turn(self, turn: Any, where: str, fields: Mapping[str, Any]) -> SourceRow:
        try:
            if not isinstance(turn, dict):
                raise ValueError(f"is {type(turn).__name__}, not an object with 'prompt'")
            inputs, outputs = (_names(turn.get(key), key) for key in ("input_images", "output_images"))
            data = {
                **self._default,
                **fields,
                "text": turn.get("prompt"),
                "uri": inputs[0],
                "target_uri": outputs[-1],
                "reference_uri": inputs[1] if len(inputs) > 1 else None,
            }
        except ValueError as error:
            return faulty_row(escape_id(str(fields["id"])), f"{where}: {error}")
        return build_pair(data, base=self._base, where=where, called=_CALLED)


def _names(value: Any, key: str) -> list[str]:
    """The names of a turn's pictures, at least one. Raises `ValueError`, also for one that leads out of the folder."""
    names = [value] if isinstance(value, str) else as_list(value, where=f"'{key}'")
    found = [path_inside("", name) for name in names]
    if not found or not all(found):
        raise ValueError(f"'{key}' is {value!r:.60}; it has to list names of files")
    return found
