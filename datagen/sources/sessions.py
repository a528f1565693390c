"""The source `sessions`: a table of editing sessions, the pictures in their order and an instruction a turn.

A row is `{"id", "pictures": [uri, ...], "instructions": [text, ...], "license", "credit", "caption",
"masks": [uri, ...]}`. There is one picture more than there are instructions; `masks`, one a turn, are optional. In CSV
the lists are JSON. Of a picture that is null the two turns that need it fail, and the others do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from datagen.core.errors import ConfigError, nearest
from datagen.fetch import folder_of, scheme_of
from datagen.sources.base import Source, SourceOptions, SourceRow
from datagen.sources.file_listing import check_scheme
from datagen.sources.formats.pairs.rows import as_list, build_pair
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import MASKED_PAIR_FIELDS, escape_surrogates, faulty_row
from datagen.sources.tables import TableRow, check_columns, parse_cell, table_rows


class SessionsConfig(SourceOptions):
    """Editing sessions, one a row: JSON lines, CSV or Parquet."""

    kind: Literal["sessions"] = "sessions"
    """A table with `id`, `pictures` (in their order) and `instructions` (one a turn); one record a turn."""
    group_by: str = "session"
    """Field whose equal values keep consecutive rows in one slice; '' for none."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Sessions(self.path)


_NEEDED = ("id", "pictures", "instructions")
_OPTIONAL = ("license", "credit", "caption", "masks")
_LISTS = ("pictures", "instructions", "masks")


class Sessions:
    """One record for each turn. Its id is the session's and the number of the turn, from 1."""

    writes = MASKED_PAIR_FIELDS

    def __init__(self, path: str) -> None:
        self.path = path
        self._base = folder_of(path)

    def check(self) -> None:
        """Raise `ConfigError` if a local file is missing, has no rows, has unknown columns, or lacks required ones."""
        check_scheme(self.path)
        if scheme_of(self.path) == "file":
            check_columns(self.path, known=(*_NEEDED, *_OPTIONAL), needed=_NEEDED)
            if next(table_rows(self.path), None) is None:
                raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no sessions"

    def count(self) -> int | None:
        """None: it is unknown without reading all rows."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The turns, session by session."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        for row in table_rows(self.path):
            where = f"{self.path}: {row.where}"
            name = f"%{row.where.replace(' ', '')}"
            try:
                session, data = _session(row)
            except (ValueError, RecursionError) as error:
                yield faulty_row(name, f"{where}: {error}")
                continue
            yield from self._turns(session, data, where)

    def _turns(self, session: str, data: Mapping[str, Any], where: str) -> Iterator[SourceRow]:
        pictures, masks = data["pictures"], data.get("masks") or []
        for number, text in enumerate(data["instructions"], 1):
            mask = masks[number - 1] if masks else None
            fields = {
                **{key: data[key] for key in ("license", "credit", "caption") if data.get(key) is not None},
                **{"id": f"{session}/{number}", "session": session, "turn": number, "text": text},
                **{
                    "uri": pictures[number - 1],
                    "target_uri": pictures[number],
                    "mask_uri": "" if mask is None else mask,
                },
            }
            called = {"text": f"instructions.{number - 1}", "uri": f"pictures.{number - 1}"}
            called["target_uri"] = f"pictures.{number}"
            yield build_pair(fields, base=self._base, where=f"{where}, turn {number}", called=called)


def _session(row: TableRow) -> tuple[str, dict[str, Any]]:
    """The name of a session and its values. Raises `ValueError` if they make no session."""
    if row.error:
        raise ValueError(row.error)
    data = {key: _list_cell(key, value) if key in _LISTS else value for key, value in row.data.items()}
    unknown = next((key for key in data if key not in (*_NEEDED, *_OPTIONAL)), None)
    if unknown is not None:
        raise ValueError(f"unknown key '{unknown:.100}'; {nearest(unknown[:100], (*_NEEDED, *_OPTIONAL))}")
    session = data.get("id")
    if not isinstance(session, str) or not session.strip():
        raise ValueError(f"'id' is {session!r:.60}; it names the session")
    pictures, texts = (as_list(data.get(key), where=f"'{key}'") for key in ("pictures", "instructions"))
    if len(pictures) != len(texts) + 1 or not texts:
        raise ValueError(f"has {len(pictures)} pictures and {len(texts)} instructions; n turns need n + 1 pictures")
    masks = data.get("masks")
    if masks and len(as_list(masks, where="'masks'")) != len(texts):
        raise ValueError(f"has {len(masks)} masks and {len(texts)} instructions; give one a turn, null for none")
    return escape_surrogates(session), data


def _list_cell(key: str, value: Any) -> Any:
    """A list, from JSON where a table has only text. Raises `ValueError`."""
    if not isinstance(value, str):
        return value
    return parse_cell(key, value) if value.strip() else None
