"""Reads datasets of pairs in Parquet or Arrow files, whose columns a `TableLayout` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from datagen.core.errors import ConfigError, nearest
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.formats.pairs.layout import Direction, TableLayout
from datagen.sources.formats.pairs.rows import build_pair
from datagen.sources.hub_files import HubFile, HubFiles
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import MASKED_PAIR_FIELDS, PAIR_FIELDS, faulty_row
from datagen.sources.tables import TableRow

FOLDERS_HINT = "`form: folders` reads its authors' own folders"
"""A hint for datasets that are published as folders too."""


class PairTableOptions(ForeignOptions):
    """Options of the datasets of pairs that may be tables."""

    path: str = Field(min_length=1)
    """Address of the dataset's folder, or a glob of its Parquet files."""
    split: str = ""
    """Which split of Parquet files; all, if not given."""

    def _pair_table(
        self, layout: TableLayout, *, directions: tuple[Direction, ...] = ("forward",), hint: str = ""
    ) -> Source:
        default = {"license": self.license, "credit": self.credit}
        return PairTable(self.path, split=self.split, layout=layout, directions=directions, default=default, hint=hint)


class PairTable:
    """One record for each row and direction. Its id is the session and turn, or the file and the number of the row."""

    def __init__(
        self,
        path: str,
        *,
        split: str,
        layout: TableLayout,
        directions: Sequence[Direction],
        default: Mapping[str, str],
        hint: str = "",
    ) -> None:
        self.path = path
        self._files = HubFiles(path, split=split)
        self._empty = f"{self._files.empty}{hint and f'; {hint}'}"
        self._layout, self._directions = layout, directions
        self.writes = MASKED_PAIR_FIELDS if layout.mask else PAIR_FIELDS
        called = {**layout._asdict(), "uri": layout.source, "target_uri": layout.target}
        back = _swap_sides({**called, "text": layout.inverse_text})
        self._called = {"forward": called, "inverse": back}
        self._default = {field: text for field, text in default.items() if text}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no such files, or if the first one lacks a column."""
        self._files.listing.check_scheme()
        if self._files.listing.is_local:
            first = next(iter(self._files), None)
            if first is None:
                raise ConfigError(self._empty)
            self._columns(first)

    def count(self) -> int | None:
        """The number of records of local Parquet files; None for other files."""
        found = self._files.count()
        return None if found is None else found * len(self._directions)

    def rows(self) -> Iterator[SourceRow]:
        """The rows of all files; files sorted by name, or in the order of `state.json`."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty)

    def _all(self) -> Iterator[SourceRow]:
        for found in self._files:
            masked = bool(self._layout.mask) and self._layout.mask in self._files.columns(found)
            with self._files.rows(found, self._columns(found)) as rows:
                for number, row in enumerate(rows):
                    for direction in self._directions:
                        yield self._row(found, number, row, direction, masked=masked)

    def _columns(self, found: HubFile) -> list[str]:
        """The columns that the driver reads: all except the pictures. Raises `ConfigError` if one is missing."""
        has = self._files.columns(found)
        needed = [column for column in self._layout._replace(local_if="", reach="", mask="") if column]
        missing = next((column for column in needed if column not in has), None)
        if missing is not None:
            raise ConfigError(
                f"{self._files.address(found)}: there is no column '{missing}'; {nearest(missing, has)}; "
                "this is another dataset than `kind` says"
            )
        pictures = (self._layout.source, self._layout.target)
        return [column for column in (*needed, self._layout.local_if) if column in has and column not in pictures]

    def _row(self, found: HubFile, number: int, row: TableRow, direction: Direction, *, masked: bool) -> SourceRow:
        layout, (where, values, fault) = self._layout, row
        name = f"{found.stem}/{number}"
        if fault:
            faulty = f"{name}/inverse" if direction == "inverse" else name
            return faulty_row(escape_id(faulty), f"{where}: {fault}")
        if layout.session:
            name, fault = _turn_id(values[layout.session], values[layout.turn])
            if fault:
                return faulty_row(escape_id(f"{found.stem}/{number}"), f"{where}: {fault}")
        data: dict[str, Any] = {
            **self._default,
            "id": name,
            "uri": found.cell(row=number, column=layout.source),
            "target_uri": found.cell(row=number, column=layout.target),
            "text": values[layout.text],
            "reach": "local" if layout.local_if and values.get(layout.local_if) else layout.reach,
        }
        for field in ("source_caption", "target_caption", "session", "turn"):
            if column := getattr(layout, field):
                data[field] = values[column]
        if layout.mask:
            data["mask_uri"] = found.cell(row=number, column=layout.mask) if masked else ""
        if len(self._directions) > 1 and not layout.session:
            data["session"] = name  # the two share their pictures, so they must come into one split
        if direction == "inverse":
            data = _invert(data, values[layout.inverse_text])
        return build_pair(data, base=self._files.base, where=where, called=self._called[direction])


def _turn_id(session: Any, turn: Any) -> tuple[str, str]:
    """The id made of a session and a turn, and the error if they are not valid, else ''."""
    if not isinstance(session, str) or not session or isinstance(turn, bool) or not isinstance(turn, int):
        return "", f"its session is {session!r:.60} and its turn {turn!r:.60}; they name the record"
    return f"{session}/{turn}", ""


def _invert(data: Mapping[str, Any], request: Any) -> dict[str, Any]:
    """The inverse edit, from the target to the source."""
    return {**_swap_sides(data), "id": f"{data['id']}/inverse", "text": request}


def _swap_sides(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with the fields of source and target exchanged."""
    return {_OTHER.get(field, field): value for field, value in data.items()}


_OTHER = {"uri": "target_uri", "target_uri": "uri"}
_OTHER |= {"source_caption": "target_caption", "target_caption": "source_caption"}
