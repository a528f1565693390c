"""Replace words of a caption by the placeholder `<imagehere>`, one for each picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from datagen.core.errors import DataError
from datagen.core.fields import PLACEHOLDER


class Span(NamedTuple):
    """A range of characters of a text, the end excluded."""

    start: int
    end: int

    def overlaps(self, other: Span) -> bool:
        """Whether both have a character in common."""
        return self.start < other.end and other.start < self.end


def replace_spans(caption: str, spans: Iterable[Span]) -> str:
    """The caption with each span replaced by `<imagehere>`; all other characters stay as they are.

    Raises `DataError` if the caption holds the placeholder itself, or if a span is empty, outside of the caption, or
    overlaps another one.
    """
    refuse_placeholder(caption)
    result, at = "", 0
    for span in sorted(spans):
        if not at <= span.start < span.end <= len(caption):
            raise DataError(f"characters {span.start} to {span.end} cannot be replaced: empty, taken, or not there")
        result, at = f"{result}{caption[at : span.start]}{PLACEHOLDER}", span.end
    return result + caption[at:]


def refuse_placeholder(caption: str) -> None:
    """Raise `DataError` if a text from data holds the placeholder: it would look like one that we put there."""
    if PLACEHOLDER in caption:
        raise DataError(f"the caption holds {PLACEHOLDER} itself")


def choose_disjoint(spans: Sequence[Span]) -> list[int]:
    """The indices of spans that do not overlap, in the order of the text.

    A longer span is chosen before a shorter one. Of equally long spans the earlier one is chosen, then the lower index.
    """
    chosen: list[int] = []
    for number in sorted(range(len(spans)), key=lambda number: (_rank(spans[number]), number)):
        if not any(spans[number].overlaps(spans[other]) for other in chosen):
            chosen.append(number)
    return sorted(chosen, key=lambda number: spans[number])


def _rank(span: Span) -> tuple[int, int]:
    return span.start - span.end, span.start
