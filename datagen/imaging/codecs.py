"""Check, normalize and serialize the values of fields, by the field's kind.

Pictures, masks, sounds and bulky annotations become blobs, each stored once by content. All other values become JSON,
which refers to blobs by number. NaN and infinity are errors, since strict JSON has neither; only in a box they are
allowed, as NaN in memory and as null in JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from datagen.core.error_text import brief
from datagen.core.errors import DataError
from datagen.core.fields import INT64, Box, Field
from datagen.core.record import Pending, Record
from datagen.imaging.image import Image, Mask, unchangeable

_LONG_NUMBER = re.compile(r"\d{19}")


class Blobs:
    """Byte strings by number: the initial ones, then distinct new ones in the order of `put`."""

    def __init__(self, items: Sequence[Any] = ()) -> None:
        self.items: list[Any] = list(items)
        """Bytes, or other buffers, which are copied only by `at`."""
        self._numbers: dict[bytes, int] = {}
        self._decoded: dict[tuple[str, int], Any] = {}

    def at(self, number: int) -> bytes:
        """The bytes with this number."""
        data = self.items[number]
        return data if isinstance(data, bytes) else bytes(memoryview(data))

    def put(self, data: bytes) -> int:
        """The number of `data`, which is added unless it is there."""
        number = self._numbers.setdefault(data, len(self.items))
        if number == len(self.items):
            self.items.append(data)
        return number

    def decoded(self, number: int, decode: Callable[[bytes], Any]) -> Any:
        """The blob decoded; all fields that refer to it share one object."""
        key = (decode.__qualname__, number)
        if key not in self._decoded:
            self._decoded[key] = decode(self.at(number))
        return self._decoded[key]


class EncodedValue(Pending):
    """A value from another worker that is decoded on first use, and can be sent on without being decoded."""

    __slots__ = ("blobs", "encoded")

    def __init__(self, codec: _Codec, encoded: Any, blobs: Blobs) -> None:
        super().__init__(lambda: codec.load(encoded, blobs))
        self.encoded = encoded
        """The value in JSON: the number of a blob, or a list of numbers."""
        self.blobs = blobs

    def numbers(self) -> list[int]:
        """The numbers of its blobs."""
        return self.encoded if isinstance(self.encoded, list) else [self.encoded]


class _Codec(NamedTuple):
    expected: str
    """Description of a value of this kind, for errors."""
    fits: Callable[[Any], bool]
    """Whether a value is of this kind."""
    canonical: Callable[[Any], Any]
    """The value as it is after serialization; it shares no mutable state with the stage that wrote it."""
    dump: Callable[[Any, Blobs], Any]
    """The value as JSON; its blobs are put into `Blobs`."""
    load: Callable[[Any, Blobs], Any]
    """The value from what `dump` made."""
    is_blobs: bool = False
    """Whether `dump` makes the number of a blob or a list of numbers."""


def check_value(field: Field, value: Any) -> None:
    """Raise `DataError` if `value` is not of the field's kind."""
    codec = _CODECS[field.kind]
    if not codec.fits(value):
        raise DataError(f"field '{field.name}' takes {codec.expected}, not {_describe(value)}")
    if field.choices and value not in field.choices:
        raise DataError(f"field '{field.name}' takes one of {', '.join(field.choices)}, not {_describe(value)}")


def canonical(field: Field, value: Any) -> Any:
    """The value in the form in which every later stage gets it, in this process or another.

    Masks are read-only, boxes are tuples of floats, JSON values have lists instead of tuples and text as keys. So a
    run in one process and a run on several workers give the same values. Raises `DataError` like `check_value`.
    """
    check_value(field, value)
    return _CODECS[field.kind].canonical(value)


def dump_fields(fields: Mapping[str, Any], *, catalogue: Mapping[str, Field], blobs: Blobs) -> str:
    """Fields as JSON text; their blobs are put into `blobs`."""
    values = fields.raw() if isinstance(fields, Record) else fields
    return _to_json({name: _dump(value, _codec_of(catalogue[name]), blobs) for name, value in values.items()})


def _dump(value: Any, codec: _Codec, blobs: Blobs) -> Any:
    if isinstance(value, EncodedValue) and value.blobs is blobs:
        return value.encoded
    return codec.dump(value.get() if isinstance(value, Pending) else value, blobs)


def load_fields(text: str, *, catalogue: Mapping[str, Field], blobs: Blobs) -> dict[str, Any]:
    """The fields in the JSON text that `dump_fields` made; values with equal blobs share one object."""
    return {name: _codec_of(catalogue[name]).load(value, blobs) for name, value in json.loads(text).items()}


def load_lazily(text: str, *, catalogue: Mapping[str, Field], blobs: Blobs) -> dict[str, Any]:
    """Like `load_fields`, but values that consist of blobs are `EncodedValue`, decoded on first use."""
    codecs = ((name, value, _codec_of(catalogue[name])) for name, value in json.loads(text).items())
    return {
        name: EncodedValue(codec, value, blobs) if codec.is_blobs else codec.load(value, blobs)
        for name, value, codec in codecs
    }


def dump_ledger_fields(fields: Mapping[str, Any], *, catalogue: Mapping[str, Field]) -> str:
    """The fields that the ledger stores, as JSON text: without blobs, scores and bulky fields.

    Scores have a column of their own in the ledger.
    """
    stored = ((name, catalogue[name]) for name in fields if is_in_ledger(catalogue[name]))
    return _to_json({name: _CODECS[field.kind].dump(fields[name], _NO_BLOBS) for name, field in stored}, readable=True)


def is_in_ledger(field: Field) -> bool:
    """Whether the ledger stores the field among the others: no blobs, no scores, nothing bulky."""
    return field.kind in _LEDGER_KINDS and not field.bulky


def scores_of(fields: Mapping[str, Any], *, catalogue: Mapping[str, Field]) -> dict[str, float]:
    """The scores among `fields`, and those in the field `carried` of a sample read from a finished dataset."""
    carried = fields.get("carried")
    rows = carried.get("scores") if isinstance(carried, dict) else None
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    # Rows of another form fail the record when its sample is made; the ledger takes what is right.
    known = {str(row.get("name")): float(row["value"]) for row in found if _is_number(row.get("value"))}
    return known | {name: float(fields[name]) for name in fields if catalogue[name].kind == "score"}


def mask_to_runs(mask: Mask) -> bytes:
    """A mask as bytes: height, width and run lengths, row by row, background first, each uint32, little endian."""
    flat = mask.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], edges, [flat.size]])
    runs = np.diff(bounds)
    if flat.size and flat[0]:
        runs = np.concatenate([[0], runs])
    return np.concatenate([mask.shape, runs]).astype("<u4").tobytes()


def mask_from_runs(data: bytes) -> Mask:
    """The read-only mask that `mask_to_runs` wrote."""
    numbers = np.frombuffer(data, "<u4")
    (height, width), runs = numbers[:2], numbers[2:]
    inside = np.arange(len(runs)) % 2 == 1
    return _canonical_mask(np.repeat(inside, runs).reshape(int(height), int(width)))


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {value.shape}"
    return f"{type(value).__name__} {brief(value)}"


def _codec_of(field: Field) -> _Codec:
    return _BULKY if field.bulky else _CODECS[field.kind]


def _to_json(value: Any, *, readable: bool = False) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=not readable)


def _as_json(value: Any, _: Blobs) -> Any:
    return value


def _identity(value: Any) -> Any:
    return value


def _is_mask(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.bool_ and value.ndim == 2


def _is_number(value: Any) -> bool:
    return _is_edge(value) and _is_finite(value)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _is_whole(value: Any) -> bool:
    return type(value) is int and value in INT64  # `type() is`: a bool is an instance of int


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and _is_unicode(value)


def _plain_text(value: str) -> str:
    return str.__str__(value)  # of a subclass, such as `np.str_`, the text alone


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_box(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 4 and all(_is_edge(edge) for edge in value)


def _is_edge(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _canonical_box(value: Any) -> Box:
    x0, y0, x1, y1 = (float(edge) if _is_finite(edge) else math.nan for edge in value)
    return x0, y0, x1, y1


def _dump_box(value: Box, _: Blobs) -> list[float | None]:
    return [edge if math.isfinite(edge) else None for edge in _canonical_box(value)]


def _load_box(value: list[float | None], _: Blobs) -> Box:
    return _canonical_box([math.nan if edge is None else edge for edge in value])


def _is_json(value: Any) -> bool:
    try:
        text = _to_json(value, readable=True)
        return _is_unicode(text) and (_LONG_NUMBER.search(text) is None or _has_whole_numbers(text))
    except (TypeError, ValueError, RecursionError):
        return False


def _has_whole_numbers(text: str) -> bool:
    """Whether all whole numbers in a JSON text have at most 64 bits, which is what other readers of it can hold."""
    found: list[int] = []
    json.loads(text, parse_int=lambda digits: found.append(int(digits)))
    return all(number in INT64 for number in found)


def _canonical_json(value: Any) -> Any:
    return json.loads(_to_json(value))


def _canonical_mask(value: Mask) -> Mask:
    frozen: Mask = unchangeable(value)
    return frozen


def _load_json(data: bytes) -> Any:
    return json.loads(data)


def _listed(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(fits(item) for item in value)


def _dump_image(value: Image, blobs: Blobs) -> int:
    return blobs.put(value.encoded())


def _load_image(number: int, blobs: Blobs) -> Image:
    image: Image = blobs.decoded(number, Image.carried)
    return image


def _dump_mask(value: Mask, blobs: Blobs) -> int:
    return blobs.put(mask_to_runs(value))


def _load_mask(number: int, blobs: Blobs) -> Mask:
    mask: Mask = blobs.decoded(number, mask_from_runs)
    return mask


_CODECS: dict[str, _Codec] = {
    "image": _Codec("an Image", lambda value: isinstance(value, Image), _identity, _dump_image, _load_image, True),
    "images": _Codec(
        "a list of Image",
        _listed(lambda value: isinstance(value, Image)),
        tuple,
        lambda value, blobs: [_dump_image(item, blobs) for item in value],
        lambda value, blobs: tuple(_load_image(item, blobs) for item in value),
        True,
    ),
    "mask": _Codec("a boolean array of height x width", _is_mask, _canonical_mask, _dump_mask, _load_mask, True),
    "masks": _Codec(
        "a list of boolean arrays of height x width",
        _listed(_is_mask),
        lambda value: tuple(_canonical_mask(item) for item in value),
        lambda value, blobs: [_dump_mask(item, blobs) for item in value],
        lambda value, blobs: tuple(_load_mask(item, blobs) for item in value),
        True,
    ),
    "audio": _Codec(
        "a list of FLAC files' bytes",
        _listed(lambda value: isinstance(value, bytes)),
        lambda value: tuple(bytes(item) for item in value),
        lambda value, blobs: [blobs.put(item) for item in value],
        lambda value, blobs: tuple(blobs.at(item) for item in value),
        True,
    ),
    "text": _Codec("text in valid Unicode", _is_text, _plain_text, _as_json, _as_json),
    "int": _Codec("a whole number of at most 64 bits", _is_whole, _identity, _as_json, _as_json),
    "float": _Codec("a finite number", _is_number, float, lambda value, _: float(value), _as_json),
    "score": _Codec("a finite number", _is_number, float, lambda value, _: float(value), _as_json),
    "bool": _Codec("true or false", lambda value: type(value) is bool, _identity, _as_json, _as_json),
    "box": _Codec("four numbers", _is_box, _canonical_box, _dump_box, _load_box),
    "json": _Codec(
        "what JSON can hold (no NaN, no infinity, no number of over 64 bits)",
        _is_json,
        _canonical_json,
        _as_json,
        _as_json,
    ),
}
_BULKY = _CODECS["json"]._replace(
    dump=lambda value, blobs: blobs.put(_to_json(value).encode()),
    load=lambda number, blobs: blobs.decoded(number, _load_json),
    is_blobs=True,
)
_LEDGER_KINDS = ("text", "int", "float", "bool", "box", "json")
_NO_BLOBS = Blobs()
