"""Small pictures of samples and of rejected records, with outlines of masks and boxes to draw over them.

Outlines and boxes are in pixels of the original pictures, so that they fit a picture shown at any size: as SVG over the
picture, with a `viewBox` of `Sheet.size`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image as Pillow

from datagen.core.errors import DataError, DatagenError, StoreError
from datagen.core.fields import Box
from datagen.fetch import PACKAGE, read_file, scheme_of
from datagen.imaging.image import MAX_PIXELS, Image, Mask, Pixels
from datagen.report.cells import mapping_in
from datagen.report.film import FilmTurn, box_in, film_of
from datagen.report.graph_drawing import GraphDrawing, drawing_of
from datagen.report.plan_strip import CheckedAtom, StripFrame, checks_of, fault_words, strip_of
from datagen.shards.reader import Sample

SIDE = 360
"""Default longest side of a small picture, in pixels."""
_QUALITY = 80
_QUICK = 2
"""WebP's effort, from 0 (fastest) to 6."""
_MOST_PIECES = 100
"""Most contours of an outline; of more, the largest ones are drawn."""
_PICTURE = re.compile(r"(?P<stem>[a-z][a-z0-9_]*)\.(png|jpg|webp)")
_MASK = re.compile(r"mask_\d+")
OF_SAMPLE = ("edits", "steps", "task", "instruction")
"""Keys of KEY.json that count instead of the fields of the ledger."""
_LAST = ("source", "target")
"""Shown last: references and turns come before the pair."""


class Picture(NamedTuple):
    """A small picture in WebP; no side is longer than requested, and it is never enlarged."""

    name: str
    """The name of its member without key and extension, such as `source`, `target` or `ref_0`."""
    data: bytes
    width: int
    height: int
    """Of `data`, in pixels."""


class LabelledBox(NamedTuple):
    """A box (xyxy in pixels of the original picture) and the label of its object."""

    label: str
    box: Box


class Sheet(NamedTuple):
    """The pictures, outlines and boxes of one record."""

    pictures: tuple[Picture, ...] = ()
    """References first, then turns, then source and target."""
    outlines: Mapping[str, str] = {}
    """SVG path data by mask, `mask_0` and so on, in pixels of the original picture."""
    boxes: tuple[LabelledBox, ...] = ()
    size: tuple[int, int] = (0, 0)
    """Width and height of the original: the source's, or the target's where there is no source."""
    notes: tuple[str, ...] = ()
    """Reasons why something cannot be shown."""
    inputs: tuple[str, ...] = ()
    """Names of the pictures for the placeholders of the instruction, in their order."""
    film: tuple[FilmTurn, ...] = ()
    """The turns of a session, in their order."""
    strip: tuple[StripFrame, ...] = ()
    """The frames of a plan, or of what was judged of one; a record has turns or frames, not both."""
    graph: GraphDrawing | None = None
    """What the picture is to show."""
    fault: str = ""
    """The kind of the one thing that is wrong with it, '' if nothing is."""
    checks: tuple[CheckedAtom, ...] = ()
    """What the picture was checked for."""

    def named(self, name: str) -> Picture | None:
        """The picture with this name, or None."""
        return next((picture for picture in self.pictures if picture.name == name), None)

    @property
    def bytes(self) -> int:
        """The size of all pictures, in bytes."""
        return sum(len(picture.data) for picture in self.pictures)


class ReadLimits(NamedTuple):
    """Limits for reading original pictures. The web is never accessed only to show a picture."""

    schemes: tuple[str, ...] = ("file", PACKAGE)
    max_bytes: int = 200_000_000
    max_pixels: int = MAX_PIXELS

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> ReadLimits:
        """The limits of a resolved config: the schemes that its stages may read, except http and https."""
        options = [use["with"] for use in _uses(config.get("stages")) if isinstance(use.get("with"), dict)]
        listed = [each["schemes"] for each in options if isinstance(each.get("schemes"), list)]
        allowed = [scheme for schemes in listed for scheme in schemes if isinstance(scheme, str)]
        local = dict.fromkeys(scheme for scheme in allowed if scheme not in ("http", "https"))
        return cls(schemes=tuple(local) or cls().schemes)


LOCAL_FILES = ReadLimits()
"""Only files of this machine."""


def sheet_of_sample(sample: Sample, *, fields: Mapping[str, Any] = {}, side: int = SIDE) -> Sheet:
    """The pictures, outlines, boxes, turns and steps of a sample of a finished dataset.

    `fields` are those that the ledger has of its record; of them its conflicts, the numbers of its first turn or of
    its step, its graph, its fault and what it was checked for are shown. Damaged or missing members are listed in
    `notes`.
    """
    stems = {match["stem"]: name for name in sample.members if (match := _PICTURE.fullmatch(name))}
    notes: list[str] = []
    found: dict[str, Image] = {}
    for stem, name in stems.items():
        try:
            found[stem] = Image.decode(sample.read(name))
        except (DataError, StoreError) as error:
            notes.append(f"{name}: {error}")
    try:
        boxes = tuple(_boxes_of(sample.info.get("edits")))
        inputs = tuple(str(name).split(".")[0] for name in sample.info.get("inputs") or ())
        values = {**fields, **{name: sample.info.get(name) for name in OF_SAMPLE}}
    except (DatagenError, ValueError, AttributeError, TypeError, RecursionError) as error:
        boxes, inputs, values = (), (), {**fields}
        notes.append(f"json: {error}")
    masks = {stem: image.array[:, :, 0] > 127 for stem, image in found.items() if _MASK.fullmatch(stem)}
    pictures = {stem: image for stem, image in found.items() if stem not in masks}
    return _with_steps(_sheet(pictures, masks, boxes, notes, side)._replace(inputs=inputs), values)


def _with_steps(sheet: Sheet, values: Mapping[str, Any]) -> Sheet:
    """A sheet with the turns or steps of a record, its graph, and what is wrong with it."""
    strip = strip_of(values, pictures=[picture.name for picture in sheet.pictures])
    fault = values.get("fault")
    failing = fault.get("atoms") if isinstance(fault, Mapping) else ()
    return sheet._replace(
        film=() if strip else film_of(values),
        strip=strip,
        graph=drawing_of(values.get("graph"), failing=failing),
        fault=fault_words(values),
        checks=checks_of(values),
    )


def sheet_of_row(
    row: Mapping[str, Any],
    *,
    reading: ReadLimits = LOCAL_FILES,
    stored: Mapping[str, Any] = {},
    side: int = SIDE,
) -> Sheet:
    """The pictures, outlines and boxes of a record that was rejected or failed.

    `row` is its row of the ledger. `stored` has pictures and masks by field, from the stored answers of stages. Without
    a `target` among them, the original picture is read within the limits `reading`; if that fails, `notes` says why.
    """
    fields = mapping_in(row.get("fields"))
    notes: list[str] = []
    images = {name: value for name, value in stored.items() if isinstance(value, Image)}
    for name, values in stored.items():
        if isinstance(values, list | tuple) and values and all(isinstance(value, Image) for value in values):
            images |= {f"{_SINGULAR.get(name, name)}_{number}": value for number, value in enumerate(values)}
    if "target" not in images:
        images |= _original(str(row.get("source_uri") or ""), fields, reading, notes)
    label = str(fields.get("subject") or "")
    boxes = [*_boxes_of([{"box": fields.get("box"), "object": label}]), *_boxes_of(fields.get("edits"))]
    sheet = _with_steps(_sheet(images, dict(_masks_of(stored)), tuple(dict.fromkeys(boxes)), notes, side), fields)
    if sheet.film and "source" not in images:  # the original is where the session came from, not where turns begin
        return sheet._replace(boxes=(), size=(0, 0))
    return sheet


def with_states_of(sheet: Sheet, others: Iterable[Sheet]) -> Sheet:
    """A sheet without the pictures of its turns, with those that samples of the same session have: `state_0`, ..."""
    wanted = [sheet.film[0].turn - 1, *(turn.turn for turn in sheet.film)]
    found: dict[int, Picture] = {}
    size = sheet.size
    for other in others:
        states = _states(other)
        size = other.size if states else size
        found = {**states, **found}
    found = {number: found[number]._replace(name=f"state_{number}") for number in wanted if number in found}
    if not found:
        return sheet
    film = tuple(turn._replace(picture=f"state_{turn.turn}") for turn in sheet.film)
    note = "pictures of its turns are those of samples of the same session"
    return sheet._replace(pictures=(*sheet.pictures, *found.values()), film=film, size=size, notes=(*sheet.notes, note))


def _states(sheet: Sheet) -> dict[int, Picture]:
    """The pictures of a session by number: 0 before its first turn, then after each."""
    named = [(turn.turn, turn.picture) for turn in sheet.film]
    before = [(number - 1, "source") for number, _ in named[:1]]
    return {number: picture for number, name in (*before, *named) if (picture := sheet.named(name))}


_SINGULAR = {"refs": "ref", "turns": "turn"}


def _uses(entries: Any) -> Iterator[Mapping[str, Any]]:
    """The stages of a resolved config, including those in repeat blocks."""
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("repeat"), dict):
            yield from _uses(entry["repeat"].get("stages"))
        elif isinstance(entry, dict):
            yield entry


def _original(uri: str, fields: Mapping[str, Any], reading: ReadLimits, notes: list[str]) -> dict[str, Image]:
    if not uri:
        return {}
    if scheme_of(uri) in ("http", "https"):
        notes.append("its picture lies on the web, and is not fetched for a look")
        return {}
    try:
        data = read_file(uri, base=str(fields.get("base") or ""), schemes=reading.schemes, max_bytes=reading.max_bytes)
        return {"original": Image.decode(data, max_pixels=reading.max_pixels)}
    except DatagenError as error:
        notes.append(f"its picture cannot be shown: {error}")
        return {}


def _sheet(
    images: Mapping[str, Image],
    masks: Mapping[str, Mask],
    boxes: Sequence[LabelledBox],
    notes: Iterable[str],
    side: int,
) -> Sheet:
    main = images.get("source") or images.get("target") or images.get("original") or next(iter(images.values()), None)
    fitting = {name: mask for name, mask in masks.items() if main and mask.shape == main.size[::-1]}
    return Sheet(
        pictures=tuple(thumbnail(images[name], name=name, side=side) for name in sorted(images, key=_place)),
        outlines={name: outline(mask, side=side) for name, mask in sorted(fitting.items())},
        boxes=tuple(boxes),
        size=main.size if main else (0, 0),
        notes=tuple(notes),
    )


def _place(name: str) -> tuple[int, int, str]:
    number = int(match[0]) if (match := re.search(r"\d+$", name)) else 0
    return (_LAST.index(name) + 1 if name in _LAST else 0, number, name)


def thumbnail(image: Image, *, name: str, side: int = SIDE) -> Picture:
    """A copy of a picture with no side longer than `side` pixels."""
    pixels_HWC: Pixels = image.array
    picture = Pillow.fromarray(pixels_HWC)
    picture.thumbnail((side, side), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
    sink = io.BytesIO()
    picture.save(sink, "WEBP", quality=_QUALITY, method=_QUICK)
    return Picture(name, sink.getvalue(), *picture.size)


def outline(mask_HW: Mask, *, side: int = SIDE) -> str:
    """The edge of a mask as SVG path data, at the resolution of a picture of `side` pixels; '' for an empty mask."""
    scale = max(1.0, max(mask_HW.shape) / side)
    size = (max(1, round(mask_HW.shape[1] / scale)), max(1, round(mask_HW.shape[0] / scale)))
    small_HW = cv2.resize(mask_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5
    across = (mask_HW.shape[1] / size[0], mask_HW.shape[0] / size[1])
    found, _ = cv2.findContours(np.pad(small_HW, 1).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(found, key=cv2.contourArea, reverse=True)[:_MOST_PIECES]
    return "".join(_ring(contour.reshape(-1, 2), across) for contour in largest)


def _ring(corners: Any, across: tuple[float, float]) -> str:
    """A closed path. 0.5 = 1 pixel of padding - 0.5, because contours go through pixel centres."""
    points = (f"{(x - 0.5) * across[0]:.0f} {(y - 0.5) * across[1]:.0f}" for x, y in corners.tolist())
    return f"M{'L'.join(points)}Z"


def _boxes_of(edits: Any) -> Iterator[LabelledBox]:
    """The valid boxes among rows with `box` and `object`."""
    for edit in edits if isinstance(edits, list) else ():
        if isinstance(edit, Mapping) and (box := box_in(edit.get("box"))):
            yield LabelledBox(str(edit.get("object") or ""), box)


def _masks_of(stored: Mapping[str, Any]) -> Iterator[tuple[str, Mask]]:
    if isinstance(masks := stored.get("masks"), list | tuple):
        yield from ((f"mask_{number}", mask) for number, mask in enumerate(masks))
        return
    for name, value in stored.items():
        if isinstance(value, np.ndarray) and value.dtype == np.bool_:
            yield name, value
