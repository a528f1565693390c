"""The source `seed_edit_part2_3`: SEED-Data-Edit parts 2 and 3, JSON lines that name pictures in a folder.

A line with `target_image` is a single edit (part 2): `source_image`, `target_image`, `instruction`. Any other line is
a session (part 3): `source_image`, then `instruction_1`, `edit_image_1`, `instruction_2` and so on, where each turn
starts from the result of the turn before. This layout is from the card and the previews of
AILab-CVC/SEED-Data-Edit-Part2-3, and from public loaders of part 3. A session that is shorter than others has nulls for
the turns that it lacks: a turn of which both instruction and picture are null is none. Not verified on real data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from datagen.core.errors import ConfigError
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing, split_address
from datagen.sources.formats.pairs.rows import build_pair, path_inside
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import PAIR_FIELDS, faulty_row
from datagen.sources.tables import TableRow, table_rows


class SeedEditPart23Config(ForeignOptions):
    """SEED-Data-Edit parts 2 and 3: edits from the web, and sessions that people made; not verified on real data."""

    kind: Literal["seed_edit_part2_3"] = "seed_edit_part2_3"
    """JSON lines that name pictures in a folder; of sessions, one record a turn."""
    path: str = Field(min_length=1)
    """Address of the folder of annotations, with all below it, of one .jsonl file, or a glob."""
    images: str = Field(min_length=1)
    """Address of the folder from which the annotations' file names count."""
    license: str = "CC-BY-NC-4.0"
    """Licence of every picture, as the dataset's card has it."""
    group_by: str = "session"
    """Field whose equal values keep consecutive rows in one slice; '' for none."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return SeedEditTurns(self.path, images=self.images, license=self.license, credit=self.credit)


_ENDING = ".jsonl"
_CALLED = {"text": "instruction", "uri": "source_image", "target_uri": "target_image"}


class SeedEditTurns:
    """One record for each edit or turn. Its id is the file and the line, and the number of the turn, from 1."""

    writes = PAIR_FIELDS

    def __init__(self, path: str, *, images: str, license: str, credit: str) -> None:
        self.path = path
        self._listing = FileListing(path)
        self._base = f"{images.rstrip('/')}/"
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no annotations, or if the local folder of pictures is missing."""
        self._listing.check_scheme()
        if self._listing.is_local and next(self._files(), None) is None:
            raise ConfigError(self._empty())
        pictures = FileListing(self._base.rstrip("/"))
        if pictures.is_local:
            pictures.siblings("")

    def _empty(self) -> str:
        return f"{self.path}: holds no annotations; their names end in {_ENDING}"

    def count(self) -> int | None:
        """None: it is unknown without reading all lines."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The edits, file by file and line by line."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _files(self) -> Iterator[tuple[str, str]]:
        """The address of each file, and the first part of the ids of its records."""
        if self._listing.is_file():
            listing, name = split_address(self.path)
            yield f"{listing.base}{name}", name.removesuffix(_ENDING)
            return
        for folder in self._listing.folders():
            for name in folder.files:
                if name.endswith(_ENDING):
                    yield f"{self._listing.base}{folder.path}{name}", f"{folder.path}{name.removesuffix(_ENDING)}"

    def _all(self) -> Iterator[SourceRow]:
        for address, name in self._files():
            for row in table_rows(address):
                yield from self._edits(row, f"{address}: {row.where}", f"{name}/{row.where.rpartition(' ')[2]}")

    def _edits(self, row: TableRow, where: str, id: str) -> Iterator[SourceRow]:
        if row.error:
            yield faulty_row(escape_id(id), f"{where}: {row.error}")
        elif "target_image" in row.data:
            yield self._edit(row.data, where, {"id": id, "text": row.data.get("instruction")}, called=_CALLED)
        else:
            yield from self._turns(row.data, where, id)

    def _turns(self, data: Mapping[str, Any], where: str, id: str) -> Iterator[SourceRow]:
        turns = sorted({number for key in data if (number := _turn_of(key)) and _is_there(data, number)})
        if not turns:
            has = ", ".join(map(str, data))
            yield faulty_row(
                escape_id(id), f"{where}: has neither 'target_image' nor 'instruction_1'; it has: {has:.200}"
            )
        for number in turns:
            before = "source_image" if number == 1 else f"edit_image_{number - 1}"
            step = {"source_image": data.get(before), "target_image": data.get(f"edit_image_{number}")}
            request = data.get(f"instruction_{number}")
            fields = {"id": f"{id}/{number}", "text": request, "session": id, "turn": number}
            called = {"text": f"instruction_{number}", "uri": before, "target_uri": f"edit_image_{number}"}
            yield self._edit(step, f"{where}, turn {number}", fields, called=called)

    def _edit(
        self, data: Mapping[str, Any], where: str, fields: Mapping[str, Any], *, called: Mapping[str, str]
    ) -> SourceRow:
        try:
            pictures = {
                "uri": path_inside("", data.get("source_image")),
                "target_uri": path_inside("", data["target_image"]),
            }
        except ValueError as error:
            return faulty_row(escape_id(str(fields["id"])), f"{where}: {error}")
        return build_pair({**self._default, **pictures, **fields}, base=self._base, where=where, called=called)


def _is_there(data: Mapping[str, Any], number: int) -> bool:
    """Whether a turn is more than its columns: of a turn that a session lacks, instruction and picture are null."""
    return data.get(f"instruction_{number}") is not None or data.get(f"edit_image_{number}") is not None


def _turn_of(key: str) -> int:
    """The number in a key such as `instruction_2`; 0 for any other key."""
    name, _, number = key.rpartition("_")
    return int(number) if name in ("instruction", "edit_image") and number.isascii() and number.isdigit() else 0
