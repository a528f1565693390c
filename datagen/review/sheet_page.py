"""The page with the pictures of the records on a review sheet that wait for a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from datagen.cards.card import Card
from datagen.cards.html_page import Group, cards_page
from datagen.core.errors import DatagenError
from datagen.fetch import read_file, scheme_of
from datagen.imaging.image import Image
from datagen.report.pictures import LOCAL_FILES, Picture, Sheet, thumbnail
from datagen.sources.review_sheet import unescaped

MOST = 300
"""Most records that are shown: the first ones."""


def page_of(rows: Iterable[Mapping[str, str]], *, sheet: str) -> str:
    """The HTML for the waiting rows of a sheet, grouped by stage. Nothing is fetched from the web for it."""
    waiting = [row for row in rows if row["awaits"]]
    shown = waiting[:MOST]
    stages = dict.fromkeys(row["awaits"] for row in shown)
    groups = [Group(stage, [_card(row) for row in shown if row["awaits"] == stage]) for stage in stages]
    more = [f"The first {MOST} of {len(waiting)}."] if len(waiting) > MOST else []
    lines = [f"Fill in {sheet}: decision is keep or drop, name and caption are ok or better words.", *more]
    return cards_page(groups, title=f"Waiting for a person: {len(waiting)}", lines=lines)


def _card(row: Mapping[str, str]) -> Card:
    words = {name: unescaped(row[name]) for name in ("text", "proposed_name", "proposed_caption")}
    facts = {
        "proposed name": words["proposed_name"],
        "proposed caption": words["proposed_caption"],
        **{name: row[name] for name in ("decision", "name", "caption", "note")},
    }
    return Card(
        title=row["id"],
        ended=f"{row['operation']}, waits at {row['awaits']}",
        sheet=_sheet(row),
        instruction=words["text"],
        facts=tuple((name, value) for name, value in facts.items() if value),
    )


def _sheet(row: Mapping[str, str]) -> Sheet:
    pictures: list[Picture] = []
    notes: list[str] = []
    for found in _pictures(row):
        (pictures if isinstance(found, Picture) else notes).append(found)  # type: ignore[arg-type]
    return Sheet(pictures=tuple(pictures), notes=tuple(notes))


def _pictures(row: Mapping[str, str]) -> Iterator[Picture | str]:
    """The source and target pictures, or a text that says why one cannot be shown."""
    for side in ("source", "target"):
        address = unescaped(row[side])
        if address and scheme_of(address) in ("http", "https"):
            yield f"the {side} lies on the web: {address}"
        elif address:
            try:
                data = read_file(address, schemes=LOCAL_FILES.schemes, max_bytes=LOCAL_FILES.max_bytes)
                yield thumbnail(Image.decode(data, max_pixels=LOCAL_FILES.max_pixels), name=side)
            except DatagenError as error:
                yield f"the {side} cannot be shown: {error}"
