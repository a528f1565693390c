"""Captions in which things give way to pictures: `<imagehere>` in the place of the words that name them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from datagen.core.errors import DataError
from datagen.core.fields import PLACEHOLDER


class Span(NamedTuple):
    """Characters of a text, the end excluded."""

    start: int
    end: int

    def overlaps(self, other: Span) -> bool:
        """Whether they share a character."""
        return self.start < other.end and other.start < self.end


def replace_spans(caption: str, spans: Iterable[Span]) -> str:
    """The caption with `<imagehere>` for each of the spans, none of which may meet another.

    All other characters stay as they are. Raises `DataError` for a caption that holds the placeholder
    itself, and for spans that are empty, outside of it, or meet.
    """
    refuse_placeholder(caption)
    told, at = "", 0
    for span in sorted(spans):
        if not at <= span.start < span.end <= len(caption):
            raise DataError(f"characters {span.start} to {span.end} cannot be replaced: empty, taken, or not there")
        told, at = f"{told}{caption[at : span.start]}{PLACEHOLDER}", span.end
    return told + caption[at:]


def refuse_placeholder(caption: str) -> None:
    """Raise `DataError` if a text from data holds the placeholder: no one could tell it from ours."""
    if PLACEHOLDER in caption:
        raise DataError(f"the caption holds {PLACEHOLDER} itself")


def choose_disjoint(spans: Sequence[Span]) -> list[int]:
    """The numbers of spans of which no two meet: longer ones first, of equal ones the earlier, then the lower number.

    They come in the order of the text.
    """
    chosen: list[int] = []
    for number in sorted(range(len(spans)), key=lambda number: (_rank(spans[number]), number)):
        if not any(spans[number].overlaps(spans[other]) for other in chosen):
            chosen.append(number)
    return sorted(chosen, key=lambda number: spans[number])


def _rank(span: Span) -> tuple[int, int]:
    return span.start - span.end, span.start
