"""What every layout does: it takes lessons one by one, and writes them into numbered files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from datagen.export.lessons import Lesson, Piece, UnfitSampleError
from datagen.export.tokens import PictureSizes, count_tokens


class LayoutOptions(NamedTuple):
    """Where and within which limit a split is written."""

    folder: Path
    """The split's folder, which exists and is empty."""
    published: Path
    """The absolute path at which the folder will lie."""
    max_tokens: int
    """A lesson with as many tokens or more is refused, where the layout's reader counts them."""


class Layout(Protocol):
    """Writes one split. The export is whole only after `close`."""

    tasks: ClassVar[frozenset[str]]
    """Tasks that the layout has a place for."""
    max_tokens: ClassVar[int]
    """The limit of tokens a sample in the trainer's published script; 0 if it counts none."""

    def __init__(self, options: LayoutOptions) -> None: ...

    def add(self, lesson: Lesson) -> Counter[str]:
        """Write a lesson; what of it the layout has no place for, by what it is.

        Raises `UnfitSampleError` if the lesson is left out; nothing of it is written then. Raises `OSError` if a file
        cannot be written.
        """

    def close(self) -> None:
        """Finish all files. Raises `OSError`."""


def refuse_long(lesson: Lesson, *, pieces: Iterable[Piece], sizes: PictureSizes, max_tokens: int) -> None:
    """Raise `UnfitSampleError` if a lesson of which a reader makes `pieces` has `max_tokens` tokens or more.

    BAGEL takes fewer tokens than its limit from a dataset that is mandatory, and as many from others.
    """
    found = count_tokens(pieces, lesson.pictures, sizes=sizes)
    if found >= max_tokens:
        raise UnfitSampleError("too_long", f"some {found:,} tokens, and the limit is {max_tokens:,}")
