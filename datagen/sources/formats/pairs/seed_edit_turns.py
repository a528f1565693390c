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

from datagen.sources.base import Source, SourceRow, escape_id
from datagen.sources.formats.pairs.rows import build_pair, path_inside
from datagen.sources.formats.pairs.turn_tables import TurnTableOptions, TurnTables
from datagen.sources.rows import faulty_row
from datagen.sources.tables import TableRow


class SeedEditPart23Config(TurnTableOptions):
    """SEED-Data-Edit parts 2 and 3: edits from the web, and sessions that people made; not verified on real data."""

    kind: Literal["seed_edit_part2_3"] = "seed_edit_part2_3"
    """JSON lines that name pictures in a folder; of sessions, one record a turn."""
    license: str = "CC-BY-NC-4.0"
    """Licence of every picture, as the dataset's card has it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return SeedEditTurns(self.path, images=self.images, license=self.license, credit=self.credit)


_CALLED = {"text": "instruction", "uri": "source_image", "target_uri": "target_image"}


class SeedEditTurns(TurnTables):
    """One record for each edit or turn. Its id is the file and the line, and the number of the turn, from 1."""

    endings = (".jsonl",)

    def turns(self, row: TableRow, where: str, id: str) -> Iterator[SourceRow]:
        """See `TurnTables`."""
        if row.error:
            yield faulty_row(escape_id(id), f"{where}: {row.error}")
        elif "target_image" in row.data:
            yield self._edit(row.data, where, {"id": id, "text": row.data.get("instruction")}, called=_CALLED)
        else:
            yield from self._session(row.data, where, id)

    def _session(self, data: Mapping[str, Any], where: str, id: str) -> Iterator[SourceRow]:
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
        return build_pair({**self.default, **pictures, **fields}, base=self.base, where=where, called=called)


def _is_there(data: Mapping[str, Any], number: int) -> bool:
    """Whether a turn is more than its columns: of a turn that a session lacks, instruction and picture are null."""
    return data.get(f"instruction_{number}") is not None or data.get(f"edit_image_{number}") is not None


def _turn_of(key: str) -> int:
    """The number in a key such as `instruction_2`; 0 for any other key."""
    name, _, number = key.rpartition("_")
    return int(number) if name in ("instruction", "edit_image") and number.isascii() and number.isdigit() else 0
