"""What every layout does: it takes lessons one by one, and writes them into numbered files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from datagen.export.lessons import Lesson, PictureUse, UnfitSampleError
from datagen.export.tokens import count_tokens


class LayoutOptions(NamedTuple):
    """Where and within which limit a split is written."""

    folder: Path
    """The split's folder, which exists and is empty."""
    published: Path
    """The absolute path at which the folder will lie."""
    max_tokens: int
    """A lesson with more tokens is refused, where the layout's reader counts them."""


class Layout(Protocol):
    """Writes one split. The export is whole only after `close`."""

    tasks: ClassVar[frozenset[str]]
    """Tasks that the layout has a place for."""

    def __init__(self, options: LayoutOptions) -> None: ...

    def add(self, lesson: Lesson) -> Counter[str]:
        """Write a lesson; what of it the layout has no place for, by what it is.

        Raises `UnfitSampleError` if the lesson is left out; nothing of it is written then. Raises `OSError` if a file
        cannot be written.
        """

    def close(self) -> None:
        """Finish all files. Raises `OSError`."""


def refuse_long(lesson: Lesson, *, uses: list[PictureUse], max_tokens: int) -> None:
    """Raise `UnfitSampleError` if a lesson whose pictures are used as in `uses` has more than `max_tokens` tokens."""
    found = count_tokens([*lesson.words, *uses], lesson.pictures)
    if found > max_tokens:
        raise UnfitSampleError("too_long", f"some {found:,} tokens, more than {max_tokens:,}")
