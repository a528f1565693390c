"""Text templates with fields of a record in braces, such as `a photo of {subject}`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from string import Formatter

from datagen.core.fields import STANDARD, Kind
from datagen.core.record import Record

WORDS: tuple[Kind, ...] = ("text", "int", "float", "score")
"""Kinds of fields that can be written as text."""
_KINDS = {field.name: field.kind for field in STANDARD}


def template_fields(text: str, *, kinds: Collection[Kind] = WORDS) -> tuple[str, ...]:
    """The names of the fields in a template's braces, each once, in order.

    Raises `ValueError` for braces that hold anything but a field's name, and for a field that is not of one of
    `kinds`. A field that is not in the catalogue (a plugin's) counts as text.
    """
    names = tuple(dict.fromkeys(name for _, name in _parts(text) if name))
    for name in names:
        if (kind := _KINDS.get(name, "text")) not in kinds:
            raise ValueError(f"the field '{name}' is no text but {kind}")
    return names


def render_template(text: str, record: Record) -> str:
    """The template filled with the record's values; '' if one of its fields is blank."""
    rendered = ""
    for literal, name in _parts(text):
        words = str(record[name]).strip() if name else ""
        if name and not words:
            return ""
        rendered += literal + words
    return rendered


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Pairs of literal text and the name of the field after it; '' if none follows."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{error}; a brace that is meant as one is written twice") from error
    for literal, name, form, conversion in parts:
        if name is None:
            yield literal, ""
            continue
        if form or conversion or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ValueError(f"braces hold the name of one field, such as {{subject}}, not '{{{name}}}'")
        yield literal, name
