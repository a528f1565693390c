"""What waits for a person, to be looked at beside the sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from datagen.cards.card import Card
from datagen.cards.page import Group, page
from datagen.core.errors import DatagenError
from datagen.fetch import read_file, scheme_of
from datagen.imaging.image import Image
from datagen.report.pictures import NEARBY, Picture, Sheet, small
from datagen.sources.review_sheet import unescape_formula

MOST = 300
"""Records that are shown: those that come first."""


def page_of(rows: Iterable[Mapping[str, str]], *, sheet: str) -> str:
    """The HTML for the rows of a sheet that wait, by what is asked; nothing is fetched from the web for it."""
    waiting = [row for row in rows if row["awaits"]]
    shown = waiting[:MOST]
    stages = dict.fromkeys(row["awaits"] for row in shown)
    groups = [Group(stage, [_card(row) for row in shown if row["awaits"] == stage]) for stage in stages]
    more = [f"The first {MOST} of {len(waiting)}."] if len(waiting) > MOST else []
    lines = [f"Fill in {sheet}: decision is keep or drop, name and caption are ok or better words.", *more]
    return page(groups, title=f"Waiting for a person: {len(waiting)}", lines=lines)


def _card(row: Mapping[str, str]) -> Card:
    told = {name: unescape_formula(row[name]) for name in ("text", "proposed_name", "proposed_caption")}
    facts = {
        "proposed name": told["proposed_name"],
        "proposed caption": told["proposed_caption"],
        **{name: row[name] for name in ("decision", "name", "caption", "note")},
    }
    return Card(
        title=row["id"],
        ended=f"{row['operation']}, waits at {row['awaits']}",
        sheet=_sheet(row),
        instruction=told["text"],
        facts=tuple((name, value) for name, value in facts.items() if value),
    )


def _sheet(row: Mapping[str, str]) -> Sheet:
    pictures: list[Picture] = []
    notes: list[str] = []
    for found in _pictures(row):
        (pictures if isinstance(found, Picture) else notes).append(found)  # type: ignore[arg-type]
    return Sheet(pictures=tuple(pictures), notes=tuple(notes))


def _pictures(row: Mapping[str, str]) -> Iterator[Picture | str]:
    """Source and target, or why one cannot be shown."""
    for side in ("source", "target"):
        address = unescape_formula(row[side])
        if address and scheme_of(address) in ("http", "https"):
            yield f"the {side} lies on the web: {address}"
        elif address:
            try:
                data = read_file(address, schemes=NEARBY.schemes, max_bytes=NEARBY.max_bytes)
                yield small(Image.decode(data, max_pixels=NEARBY.max_pixels), name=side)
            except DatagenError as error:
                yield f"the {side} cannot be shown: {error}"
