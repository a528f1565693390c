"""The source `imgedit_turns`: ImgEdit's multi-turn edits, tables that name pictures in a folder.

A row is a session: `data` is a list of `{input_images, output_images, prompt}`, one entry a turn, where the first two
are lists of file names. A turn may start from an older picture than the one before it made (version backtracking), and
may have further inputs (content memory); the first input is the picture before the edit, a second one the reference.
Not verified on real data: neither where the pictures are nor how their names begin was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from datagen.sources.base import Source, SourceRow, escape_id
from datagen.sources.formats.pairs.rows import as_list, build_pair, path_inside
from datagen.sources.formats.pairs.turn_tables import TurnTableOptions, TurnTables
from datagen.sources.rows import faulty_row
from datagen.sources.tables import TableRow


class ImgEditTurnsConfig(TurnTableOptions):
    """ImgEdit's multi-turn edits, as Parquet or JSON lines; not verified on real data."""

    kind: Literal["imgedit_turns"] = "imgedit_turns"
    """Sessions in which a turn may go back to an older picture; one record a turn."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return ImgEditTurns(self.path, images=self.images, license=self.license, credit=self.credit)


_CALLED = {"text": "prompt", "uri": "input_images", "target_uri": "output_images"}


class ImgEditTurns(TurnTables):
    """One record for each turn. Its id is the file, the row, and the number of the turn, from 1."""

    endings = (".parquet", ".jsonl")

    def turns(self, row: TableRow, where: str, id: str) -> Iterator[SourceRow]:
        """See `TurnTables`."""
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
                **self.default,
                **fields,
                "text": turn.get("prompt"),
                "uri": inputs[0],
                "target_uri": outputs[-1],
                "reference_uri": inputs[1] if len(inputs) > 1 else None,
            }
        except ValueError as error:
            return faulty_row(escape_id(str(fields["id"])), f"{where}: {error}")
        return build_pair(data, base=self.base, where=where, called=_CALLED)


def _names(value: Any, key: str) -> list[str]:
    """The names of a turn's pictures, at least one. Raises `ValueError`, also for one that leads out of the folder."""
    names = [value] if isinstance(value, str) else as_list(value, where=f"'{key}'")
    found = [path_inside("", name) for name in names]
    if not found or not all(found):
        raise ValueError(f"'{key}' is {value!r:.60}; it has to list names of files")
    return found
