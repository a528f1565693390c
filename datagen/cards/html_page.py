"""Renders cards as one HTML file without scripts and network access."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from datagen.cards.card import Card


class Group(NamedTuple):
    """Cards under one heading."""

    title: str
    cards: Sequence[Card]


def cards_page(groups: Iterable[Group], *, title: str, lines: Sequence[str] = ()) -> str:
    """The HTML of a page; `lines` are shown above the cards. All text is escaped."""
    environment = Environment(
        loader=PackageLoader("datagen.cards"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["data_uri"] = _data_uri
    return environment.get_template("cards.html").render(title=title, lines=lines, groups=list(groups))


def _data_uri(data: bytes, kind: str) -> Markup:
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")
