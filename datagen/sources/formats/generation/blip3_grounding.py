"""BLIP3-GROUNDING-50M: Parquet files of web addresses and captions with places in them.

Columns `uid`, `url` and `captions`: as text, a list of [caption, flags], one a
form of telling places. That with the most boxes is taken; see `grounded.py`.
Pictures stay on the web, where `read_image` fetches them if it is allowed to.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

from datagen.sources.base import SourceRow, escaped
from datagen.sources.formats.generation.columns import Columns, Row
from datagen.sources.formats.generation.grounded import Grounded, parse
from datagen.sources.id_set import once
from datagen.sources.rows import FIELDS, checked, faulty, told

_COLUMNS = ("uid", "url", "captions")
_LONGEST = 100_000
"""Characters of a row's captions."""


class Blip3Grounding:
    """One record a row, by its `uid`."""

    writes = (*FIELDS, "grounding")

    def __init__(self, path: str, *, license: str, credit: str) -> None:
        self.path = path
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}
        self._table = Columns(path, _COLUMNS)

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no such files, or their first one no such columns."""
        self._table.check()

    def count(self) -> int | None:
        """How many rows local files have; None elsewhere."""
        return self._table.files.count()

    def rows(self) -> Iterator[SourceRow]:
        """Rows of each file, files by name."""
        yield from once(map(self._row, self._table.rows()), place=self.path, empty=self._table.files.empty)

    def _row(self, row: Row) -> SourceRow:
        values, name = row.values, escaped(row.name)
        for column in ("uid", "url"):
            if not isinstance(values[column], str) or not values[column]:
                return faulty(name, told(f"{row.where}: `{column}` is {values[column]!r:.60}, no text"))
        try:
            grounded = _richest(values["captions"])
        except (ValueError, RecursionError, MemoryError) as error:
            why = error if isinstance(error, ValueError) else "is nested too deep"
            return faulty(escaped(told(values["uid"])), told(f"{row.where}: `captions` {why}"))
        data = {"id": values["uid"], "uri": values["url"], "caption": grounded.caption, **self._default}
        made = checked(data, base="", where=row.where, name=name)
        words = [{"start": one.start, "end": one.end, "boxes": [*map(list, one.boxes)]} for one in grounded.words]
        return made if made.error else made._replace(fields={**made.fields, "grounding": words})


def _richest(captions: Any) -> Grounded:
    """The caption with the most boxes, the first of equals. Raises `ValueError` if there is none."""
    entries = _parsed(captions) if isinstance(captions, str) else captions
    texts = [entry[0] if isinstance(entry, list | tuple) and entry else entry for entry in entries or ()]
    found = [parse(text) for text in texts if isinstance(text, str) and text.strip()]
    if not found:
        raise ValueError(f"is no list of [caption, flags], but {captions!s:.60}")
    return max(found, key=lambda one: sum(len(words.boxes) for words in one.words))


def _parsed(text: str) -> Any:
    """A list as JSON, or as Python writes one. Raises `ValueError`."""
    if len(text) > _LONGEST:
        raise ValueError(f"has more than {_LONGEST:,} characters")
    try:
        entries = json.loads(text)
    except ValueError:
        try:
            entries = ast.literal_eval(text)
        except (SyntaxError, TypeError) as error:
            raise ValueError(f"is neither JSON nor a list as Python writes it: {error}") from error
    if not isinstance(entries, list | tuple):
        raise ValueError(f"is no list of [caption, flags], but {text:.60}")
    return entries
