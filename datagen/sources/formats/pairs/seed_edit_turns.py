"""SEED-Data-Edit parts 2 and 3: JSON lines that name pictures in a folder, an edit or a session a line.

A line with `target_image` is an edit (part 2): `source_image`, `target_image`,
`instruction`. One without is a session (part 3): `source_image`, then `instruction_1`,
`edit_image_1`, `instruction_2`, ...; each turn starts from the picture that the turn
before it made. So far the card and the previews of AILab-CVC/SEED-Data-Edit-Part2-3
tell, and loaders of part 3 in public code. Not verified on real data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow, escaped
from datagen.sources.file_listing import Place, one_folder
from datagen.sources.formats.pairs.rows import inside, pair
from datagen.sources.id_set import once
from datagen.sources.rows import PAIR_FIELDS, faulty
from datagen.sources.tables import TableRow, table_rows

_ENDING = ".jsonl"
_CALLED = {"text": "instruction", "uri": "source_image", "target_uri": "target_image"}


class SeedEditTurns:
    """One record an edit or turn; its id is the file and line, and the turn's number, from 1."""

    writes = PAIR_FIELDS

    def __init__(self, path: str, *, images: str, license: str, credit: str) -> None:
        self.path = path
        self._place = Place(path)
        self._base = f"{images.rstrip('/')}/"
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if there is no local annotation."""
        self._place.check_scheme()
        if self._place.is_local and next(self._files(), None) is None:
            raise ConfigError(self._empty())
        pictures = Place(self._base.rstrip("/"))
        if pictures.is_local:
            pictures.siblings("")

    def _empty(self) -> str:
        return f"{self.path}: holds no annotations; their names end in {_ENDING}"

    def count(self) -> int | None:
        """Not known without reading all lines."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """Edits, file by file and line by line."""
        yield from once(self._all(), place=self.path, empty=self._empty())

    def _files(self) -> Iterator[tuple[str, str]]:
        """Each file's address, and what its records are called by."""
        if self._place.is_file():
            place, name = one_folder(self.path)
            yield f"{place.base}{name}", name.removesuffix(_ENDING)
            return
        for folder in self._place.folders():
            for name in folder.files:
                if name.endswith(_ENDING):
                    yield f"{self._place.base}{folder.path}{name}", f"{folder.path}{name.removesuffix(_ENDING)}"

    def _all(self) -> Iterator[SourceRow]:
        for address, name in self._files():
            for row in table_rows(address):
                yield from self._edits(row, f"{address}: {row.where}", f"{name}/{row.where.rpartition(' ')[2]}")

    def _edits(self, row: TableRow, where: str, id: str) -> Iterator[SourceRow]:
        if row.error:
            yield faulty(escaped(id), f"{where}: {row.error}")
        elif "target_image" in row.data:
            yield self._edit(row.data, where, {"id": id, "text": row.data.get("instruction")}, called=_CALLED)
        else:
            yield from self._turns(row.data, where, id)

    def _turns(self, data: Mapping[str, Any], where: str, id: str) -> Iterator[SourceRow]:
        turns = sorted({number for key in data if (number := _turn_of(key))})
        if not turns:
            has = ", ".join(map(str, data))
            yield faulty(escaped(id), f"{where}: has neither 'target_image' nor 'instruction_1'; it has: {has:.200}")
        for number in turns:
            before = "source_image" if number == 1 else f"edit_image_{number - 1}"
            step = {"source_image": data.get(before), "target_image": data.get(f"edit_image_{number}")}
            request = data.get(f"instruction_{number}")
            told = {"id": f"{id}/{number}", "text": request, "session": id, "turn": number}
            called = {"text": f"instruction_{number}", "uri": before, "target_uri": f"edit_image_{number}"}
            yield self._edit(step, f"{where}, turn {number}", told, called=called)

    def _edit(
        self, data: Mapping[str, Any], where: str, told: Mapping[str, Any], *, called: Mapping[str, str]
    ) -> SourceRow:
        try:
            pictures = {"uri": inside("", data.get("source_image")), "target_uri": inside("", data["target_image"])}
        except ValueError as error:
            return faulty(escaped(str(told["id"])), f"{where}: {error}")
        return pair({**self._default, **pictures, **told}, base=self._base, where=where, called=called)


def _turn_of(key: str) -> int:
    """The number in a turn's key; 0 for any other key."""
    name, _, number = key.rpartition("_")
    return int(number) if name in ("instruction", "edit_image") and number.isascii() and number.isdigit() else 0
