"""Phrases of a config as they apply to a record, non-maximum suppression, and entries of the field `objects`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, StringConstraints

from datagen.core.errors import DataError
from datagen.core.fields import Box, Kind
from datagen.core.record import Record
from datagen.imaging.geometry import encode_rle, iou
from datagen.models.detectors.base import Detection
from datagen.models.templates import render_template, template_fields

_KINDS: tuple[Kind, ...] = ("text", "json")
"""Kinds of fields that may hold a phrase or a list of phrases."""


def _check_phrase(phrase: str) -> str:
    if (named := template_fields(phrase, kinds=_KINDS)) and phrase != f"{{{named[0]}}}":
        raise ValueError(f"braces hold a field by itself, such as '{{subject}}', not '{phrase}'")
    return phrase


_Phrase = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), AfterValidator(_check_phrase)
]
Phrases = Annotated[tuple[_Phrase, ...], Field(min_length=1)]
"""Phrases to look for, or fields in braces such as `{subject}`, which hold a phrase or a list of phrases."""


def fields_of_phrases(phrases: Sequence[str]) -> tuple[str, ...]:
    """The names of the fields in the phrases' braces, each once."""
    return tuple(dict.fromkeys(name for phrase in phrases for name in template_fields(phrase, kinds=_KINDS)))


def resolve_phrases(record: Record, phrases: Sequence[str]) -> list[str]:
    """The phrases to look for in a record's picture, each once; blank ones are left out.

    Raises `DataError` if a field in braces holds neither a text nor a list of texts.
    """
    found: list[str] = []
    for phrase in phrases:
        named = template_fields(phrase, kinds=_KINDS)
        found += _texts(named[0], record[named[0]]) if named else [render_template(phrase, record)]
    return list(dict.fromkeys(filter(None, map(str.strip, found))))


def _texts(field: str, value: Any) -> list[str]:
    values = [value] if isinstance(value, str) else value
    if isinstance(values, list | tuple) and all(isinstance(item, str) for item in values):
        return list(values)
    raise DataError(f"field '{field}' is to hold a phrase or a list of them, not {type(value).__name__} {value!r:.60}")


def non_maximum_suppression(found: Iterable[Detection], *, max_overlap: float) -> list[Detection]:
    """Remove each detection whose IoU with a better one that remains exceeds `max_overlap`; `found` is best first.

    Labels are not compared: an object that two phrases found remains once.
    """
    result: list[Detection] = []
    for one in found:
        if all(iou(one.box, other.box) <= max_overlap for other in result):
            result.append(one)
    return result


def object_entry(
    label: str, *, box: Box, mask: NDArray[np.bool_] | None = None, score: float | None = None
) -> dict[str, Any]:
    """An entry of the field `objects`; without `score` if the model gives none. The mask becomes COCO run lengths."""
    runs = None if mask is None else {"size": list(mask.shape), "counts": encode_rle(mask)}
    found = {"label": label, "box": list(box), "polygons": [], "mask": runs, "attributes": []}
    return found if score is None else {**found, "score": round(score, 4)}
