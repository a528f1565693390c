"""What a value of each kind of field has to be, and how it travels between processes.

Pictures, masks and sounds become blobs, each stored once by content; all else
is JSON that refers to them by number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from datagen.errors import DataError
from datagen.fields import Field
from datagen.image import Image, Mask


class Blobs:
    """Distinct byte strings in the order in which they were first seen."""

    def __init__(self, items: Sequence[bytes] = ()) -> None:
        self.items: list[bytes] = list(items)
        self._numbers = {data: number for number, data in enumerate(self.items)}
        self._decoded: dict[tuple[str, int], Any] = {}

    def put(self, data: bytes) -> int:
        """The number of `data`."""
        number = self._numbers.setdefault(data, len(self.items))
        if number == len(self.items):
            self.items.append(data)
        return number

    def decoded(self, number: int, decode: Callable[[bytes], Any]) -> Any:
        """One shared object for all that refer to the same bytes."""
        spot = (decode.__qualname__, number)
        if spot not in self._decoded:
            self._decoded[spot] = decode(self.items[number])
        return self._decoded[spot]


class _Codec(NamedTuple):
    wanted: str
    fits: Callable[[Any], bool]
    dump: Callable[[Any, Blobs], Any]
    load: Callable[[Any, Blobs], Any]


def check_value(field: Field, value: Any) -> None:
    """Raise `DataError` if `value` is not of the field's kind."""
    codec = _CODECS[field.kind]
    if not codec.fits(value):
        raise DataError(f"field '{field.name}' takes {codec.wanted}, not {_named(value)}")
    if field.choices and value not in field.choices:
        raise DataError(f"field '{field.name}' takes one of {', '.join(field.choices)}, not {value!r}")


def dump_fields(fields: Mapping[str, Any], *, catalogue: Mapping[str, Field], blobs: Blobs) -> str:
    """Fields as JSON text, their blobs put into `blobs`."""
    return json.dumps({name: _CODECS[catalogue[name].kind].dump(value, blobs) for name, value in fields.items()})


def load_fields(text: str, *, catalogue: Mapping[str, Field], blobs: Blobs) -> dict[str, Any]:
    """The fields in JSON text that `dump_fields` made."""
    return {name: _CODECS[catalogue[name].kind].load(value, blobs) for name, value in json.loads(text).items()}


def told_fields(fields: Mapping[str, Any], *, catalogue: Mapping[str, Field]) -> str:
    """The fields that a ledger keeps, as JSON text: all but blobs, scores and what is bulky."""
    kept = {name: value for name, value in fields.items() if _is_told(catalogue[name])}
    return json.dumps(kept, ensure_ascii=False)


def scores_of(fields: Mapping[str, Any], *, catalogue: Mapping[str, Field]) -> dict[str, float]:
    """The scores among `fields`."""
    return {name: float(value) for name, value in fields.items() if catalogue[name].kind == "score"}


def mask_to_runs(mask: Mask) -> bytes:
    """A mask as height, width and run lengths, row by row, background first (uint32, little endian)."""
    flat = mask.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], edges, [flat.size]])
    runs = np.diff(bounds)
    if flat.size and flat[0]:
        runs = np.concatenate([[0], runs])
    return np.concatenate([mask.shape, runs]).astype("<u4").tobytes()


def mask_from_runs(data: bytes) -> Mask:
    """The mask that `mask_to_runs` wrote."""
    height, width, *runs = np.frombuffer(data, "<u4")
    values = np.arange(len(runs)) % 2 == 1
    mask = np.repeat(values, runs).reshape(int(height), int(width))
    mask.setflags(write=False)
    return mask


def _is_told(field: Field) -> bool:
    return field.kind in _TOLD and not field.bulky


def _named(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {value.shape}"
    return f"{type(value).__name__} {value!r:.60}"


def _same(value: Any, _: Blobs) -> Any:
    return value


def _is_mask(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.bool_ and value.ndim == 2


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _is_box(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 4 and all(isinstance(edge, int | float) for edge in value)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


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
    "image": _Codec("an Image", lambda value: isinstance(value, Image), _dump_image, _load_image),
    "images": _Codec(
        "a list of Image",
        _listed(lambda value: isinstance(value, Image)),
        lambda value, blobs: [_dump_image(item, blobs) for item in value],
        lambda value, blobs: [_load_image(item, blobs) for item in value],
    ),
    "mask": _Codec("a boolean array of height x width", _is_mask, _dump_mask, _load_mask),
    "masks": _Codec(
        "a list of boolean arrays of height x width",
        _listed(_is_mask),
        lambda value, blobs: [_dump_mask(item, blobs) for item in value],
        lambda value, blobs: [_load_mask(item, blobs) for item in value],
    ),
    "audio": _Codec(
        "a list of FLAC files' bytes",
        _listed(lambda value: isinstance(value, bytes)),
        lambda value, blobs: [blobs.put(item) for item in value],
        lambda value, blobs: [blobs.items[item] for item in value],
    ),
    "text": _Codec("text", lambda value: isinstance(value, str), _same, _same),
    "int": _Codec("a whole number", lambda value: type(value) is int, _same, _same),
    "float": _Codec("a finite number", _is_number, lambda value, _: float(value), _same),
    "score": _Codec("a finite number", _is_number, lambda value, _: float(value), _same),
    "bool": _Codec("true or false", lambda value: type(value) is bool, _same, _same),
    "box": _Codec("four numbers", _is_box, lambda value, _: list(value), lambda value, _: tuple(value)),
    "json": _Codec("what JSON can hold", _is_json, _same, _same),
}
_TOLD = ("text", "int", "float", "bool", "box", "json")
