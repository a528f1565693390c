"""Draws a card as one PNG picture."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from datagen.cards.card import Card
from datagen.core.fields import Box
from datagen.report.pictures import Picture, Sheet

_GAP = 16
_FONT = 15
_LINE = 20
_COLUMNS = 110
"""Characters of a line of text, at which it is wrapped."""
_INK, _SOFT, _PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)
_UNCHOSEN = (255, 143, 63)
_FAULT = (255, 47, 47)
_BOX, _OUTLINES = (255, 61, 127), ((0, 190, 220), (255, 160, 0))
_MARKED = ("source", "target", "original")


def contact_sheet(card: Card) -> bytes:
    """A PNG with the pictures side by side, outlines and boxes drawn over them, and the texts below."""
    lines = [line for text in _texts(card) for line in (textwrap.wrap(text, _COLUMNS) or [""])]
    width = max(sum(picture.width + _GAP for picture in card.sheet.pictures) + _GAP, _COLUMNS * 9)
    tall = max((picture.height for picture in card.sheet.pictures), default=0)
    canvas = Pillow.new("RGB", (width, tall + 3 * _GAP + _LINE * (len(lines) + 1)), _PAPER)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_FONT)
    left = _GAP
    for picture in _in_order(card.sheet):
        canvas.paste(_marked(picture, card.sheet), (left, _GAP))
        draw.text((left, _GAP + picture.height + 2), picture.name, _SOFT, font)
        left += picture.width + _GAP
    for number, line in enumerate(lines):
        draw.text((_GAP, tall + 2 * _GAP + _LINE * (number + 1)), line, _INK, font)
    sink = io.BytesIO()
    canvas.save(sink, "PNG")
    return sink.getvalue()


def _in_order(sheet: Sheet) -> list[Picture]:
    """The pictures; those of a session or plan as its turns or steps come, behind the source."""
    named = [*(turn.picture for turn in sheet.film), *(frame.picture for frame in sheet.strip)]
    places = {name: number for number, name in enumerate(named)}
    return sorted(sheet.pictures, key=lambda picture: places.get(picture.name, -1))


def _texts(card: Card) -> Iterator[str]:
    yield f"{card.title}: {card.ended}"
    yield from card.detail.splitlines()[-5:]
    if card.instruction:
        yield card.instruction
    yield from (line for turn in card.sheet.film for line in turn.lines())
    yield from (line for frame in card.sheet.strip for line in frame.lines())
    yield from (f"graph: {line}" for line in (card.sheet.graph.lines if card.sheet.graph else ()))
    yield from (f"fails: {check.line()}" for check in card.sheet.checks if not check.holds)
    yield from (f"{name}: {value}" for name, value in card.facts)
    yield from (f"{step.seconds * 1000:,.1f} ms  {step.stage} ({step.record})" for step in card.steps)
    yield from card.sheet.notes


def _marked(picture: Picture, sheet: Sheet) -> Pillow.Image:
    opened = Pillow.open(io.BytesIO(picture.data)).convert("RGB")
    after = [turn for turn in sheet.film if turn.picture == picture.name]
    faults = [frame.fault for frame in sheet.strip if frame.picture == picture.name and frame.fault]
    if not (after or faults or picture.name in _MARKED) or not all(sheet.size):
        return opened
    draw = ImageDraw.Draw(opened)
    across, down = picture.width / sheet.size[0], picture.height / sheet.size[1]
    for fault in faults:
        draw.rectangle(_scaled(fault, across, down), outline=_FAULT, width=3)
    for turn in after:
        for box, colour in (*((each.box, _UNCHOSEN) for each in turn.candidates), (turn.box, _BOX)):
            if box:
                draw.rectangle(_scaled(box, across, down), outline=colour, width=2 if colour == _BOX else 1)
    if picture.name not in _MARKED:
        return opened
    for number, path in enumerate(sheet.outlines.values()):
        # outlines are SVG paths of straight lines alone: M x y L x y ... Z (report.pictures.outline)
        for ring in re.findall(r"M([^MZ]+)Z", path):
            corners = [tuple(map(float, corner.split())) for corner in ring.split("L")]
            points = [(x * across, y * down) for x, y in corners]
            draw.line([*points, points[0]], _OUTLINES[min(number, 1)], 2)
    for marked in sheet.boxes:
        draw.rectangle(_scaled(marked.box, across, down), outline=_BOX, width=2)
    return opened


def _scaled(box: Box, across: float, down: float) -> Box:
    x0, y0, x1, y1 = box
    return x0 * across, y0 * down, max(x0, x1) * across, max(y0, y1) * down
