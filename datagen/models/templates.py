"""Texts with fields of a record in braces."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from string import Formatter

from datagen.core.fields import STANDARD, Kind
from datagen.core.record import Record

WORDS: tuple[Kind, ...] = ("text", "int", "float", "score")
"""Kinds of fields that are words, or can be written as such."""
_KINDS = {field.name: field.kind for field in STANDARD}


def template_fields(text: str, *, kinds: Collection[Kind] = WORDS) -> tuple[str, ...]:
    """The fields that a text names, each once. Raises `ValueError` for braces that hold anything else.

    A field is to be of one of `kinds`; what the catalogue does not know is taken for text.
    """
    names = tuple(dict.fromkeys(name for _, name in _parts(text) if name))
    for name in names:
        if (kind := _KINDS.get(name, "text")) not in kinds:
            raise ValueError(f"the field '{name}' is no text but {kind}")
    return names


def render_template(text: str, record: Record) -> str:
    """The text with the record's own words; '' if one of the fields that it names is blank."""
    said = ""
    for literal, name in _parts(text):
        words = str(record[name]).strip() if name else ""
        if name and not words:
            return ""
        said += literal + words
    return said


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Literal text, and the field that follows it; '' for none."""
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
