"""Zebra-CoT's layout, which its fork of BAGEL reads: lines of JSON, with places of pictures in their words.

A place is `<image_start>[key]<image_end>`; the line's `key` has the picture's path below the folder of the file. The
reader drops a sample of which a picture is missing, so pictures are written before their line. It decides by itself
what has a loss: the question has none, the trace all. Its BAGEL also trains the switch from words to a picture
(`next_token_label`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import IO, ClassVar, Final

from datagen.export.layouts import LayoutOptions, refuse_long
from datagen.export.lessons import TASKS, Lesson, Piece, TextPiece, refuse_markers

LINES: Final = "samples.jsonl"
PICTURES: Final = "images"
QUESTION, TRACE, ANSWER = "Question", "Text Reasoning Trace", "Final Answer"
_FOLDER_SAMPLES = 1000
"""Samples whose pictures share a folder."""


class ZebraCotLayout:
    """`samples.jsonl`, and the pictures in `images/000000/KEY.MEMBER`, a thousand samples a folder."""

    tasks: ClassVar[frozenset[str]] = frozenset(TASKS)

    def __init__(self, options: LayoutOptions) -> None:
        self._options = options
        self._samples = 0
        self._lines: IO[str] | None = None

    def add(self, lesson: Lesson) -> Counter[str]:
        """Write the pictures of a lesson, then its line."""
        refuse_markers(lesson)
        # the reader gives every picture of a trace all three uses, also the last one
        uses = [use._replace(is_painted_from=True, is_understood=True) for use in lesson.uses]
        refuse_long(lesson, uses=uses, max_tokens=self._options.max_tokens)
        paths = self._write_pictures(lesson)
        given = [piece for piece in lesson.pieces if not piece.is_learnt]
        learnt = [piece for piece in lesson.pieces if piece.is_learnt]
        keys: dict[str, str] = {}
        row = {
            "key": lesson.key,
            "task": lesson.task,
            QUESTION: _text(given, paths, prefix="problem_image", keys=keys),
            TRACE: _text(learnt, paths, prefix="reasoning_image", keys=keys),
            ANSWER: lesson.info.steps[-1].verdict if lesson.task.startswith("inspect_") else "",
            **keys,
        }
        if self._lines is None:
            self._lines = (self._options.folder / LINES).open("w", encoding="utf-8")
        self._lines.write(json.dumps(row) + "\n")
        return lesson.without_place

    def close(self) -> None:
        """Finish the lines."""
        if self._lines is not None:
            self._lines.close()

    def _write_pictures(self, lesson: Lesson) -> dict[str, str]:
        """The path of each picture below the split's folder, by its member."""
        folder = f"{PICTURES}/{self._samples // _FOLDER_SAMPLES:06d}"
        (self._options.folder / folder).mkdir(parents=True, exist_ok=True)
        paths = {member: f"{folder}/{lesson.key}.{member}" for member in lesson.pictures}
        for member, path in paths.items():
            (self._options.folder / path).write_bytes(lesson.pictures[member])
        self._samples += 1
        return paths


def _text(pieces: Iterable[Piece], paths: dict[str, str], *, prefix: str, keys: dict[str, str]) -> str:
    """Pieces as one text; the key of each picture is added to `keys` with its path."""
    parts: list[str] = []
    pictures = 0
    for piece in pieces:
        if isinstance(piece, TextPiece):
            parts.append(piece.text)
        else:
            pictures += 1
            key = f"{prefix}_{pictures}"
            keys[key] = paths[piece.member]
            parts.append(f"<image_start>[{key}]<image_end>")
    return "\n".join(parts)
