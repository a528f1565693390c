"""The source `blip3_grounding`: BLIP3-GROUNDING-50M, Parquet files of URLs and captions with bounding boxes.

The columns are `uid`, `url` and `captions`. `captions` is the text of a list of [caption, flags], one for each way of
writing the boxes; the caption with the most boxes is taken, see `grounded.py`. The pictures are not downloaded here:
`read_image` fetches them, if the config allows their hosts.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.formats.generation.columns import Columns, HubRow
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import FIELDS, faulty_row, validate_row

if TYPE_CHECKING:
    from datagen.sources.formats.generation.grounded import Grounded


class Blip3GroundingConfig(ForeignOptions):
    """BLIP3-GROUNDING-50M: addresses of pictures, captions in which places follow names; not verified on real data."""

    kind: Literal["blip3_grounding"] = "blip3_grounding"
    """Parquet files with the columns `uid`, `url` and `captions`."""
    path: str = Field(min_length=1)
    """Address of the folder of the files, or a glob."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Blip3Grounding(self.path, license=self.license, credit=self.credit)


_COLUMNS = ("uid", "url", "captions")
_LONGEST = 100_000
"""The longest `captions` of a row that are parsed, in characters."""


class Blip3Grounding:
    """One record for each row. Its id is the `uid`."""

    writes = (*FIELDS, "grounding")

    def __init__(self, path: str, *, license: str, credit: str) -> None:
        self.path = path
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}
        self._table = Columns(path, _COLUMNS)

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no such files, or if the first one lacks a column."""
        self._table.check()

    def count(self) -> int | None:
        """The number of rows of local Parquet files; None for other files."""
        return self._table.files.count()

    def rows(self) -> Iterator[SourceRow]:
        """The rows of all files; files sorted by name."""
        yield from with_unique_ids(map(self._row, self._table.rows()), path=self.path, empty=self._table.files.empty)

    def _row(self, row: HubRow) -> SourceRow:
        values, name = row.values, escape_id(row.name)
        if row.error:
            return faulty_row(name, f"{row.where}: {row.error}")
        for column in ("uid", "url"):
            if not isinstance(values[column], str) or not values[column]:
                return faulty_row(name, f"{row.where}: `{column}` is {values[column]!r:.60}, no text")
        try:
            grounded = _richest(values["captions"])
        except (ValueError, RecursionError, MemoryError) as error:
            why = error if isinstance(error, ValueError) else "is nested too deep"
            return faulty_row(escape_id(values["uid"]), f"{row.where}: `captions` {why}")
        data = {"id": values["uid"], "uri": values["url"], "caption": grounded.caption, **self._default}
        made = validate_row(data, base="", where=row.where, name=name)
        words = [{"start": one.start, "end": one.end, "boxes": [*map(list, one.boxes)]} for one in grounded.words]
        return made if made.error else made._replace(fields={**made.fields, "grounding": words})


def _richest(captions: Any) -> Grounded:
    """The caption with the most boxes; of equals, the first. Raises `ValueError` if there is no caption."""
    from datagen.sources.formats.generation.grounded import parse

    entries = _parsed(captions) if isinstance(captions, str) else captions
    texts = [entry[0] if isinstance(entry, list | tuple) and entry else entry for entry in entries or ()]
    found = [parse(text) for text in texts if isinstance(text, str) and text.strip()]
    if not found:
        raise ValueError(f"is no list of [caption, flags], but {captions!s:.60}")
    return max(found, key=lambda one: sum(len(words.boxes) for words in one.words))


def _parsed(text: str) -> Any:
    """Parse a list in JSON or as a Python literal. Raises `ValueError`."""
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
