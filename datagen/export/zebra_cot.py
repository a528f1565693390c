"""Zebra-CoT's layout, which its fork of BAGEL reads: lines of JSON, with places of pictures in their words.

Source: facts about data/interleave_datasets/think_trace_dataset.py of multimodal-reasoning-lab/Bagel-Zebra-CoT at
168e896, whose code is not used here. A place is `<image_start>[key]<image_end>`; the line's `key` has the path of the
picture below `image_prefix_dir`. The reader drops a sample of which a picture is missing, so pictures are written
before their line. Before 168e896 it drops one without an answer, so each has one. It decides by itself what has a loss:
the question has none, and its pictures are only looked at; the trace and the answer are learnt, and the pictures of the
trace have all uses.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO, ClassVar, Final

from datagen.export.layouts import LayoutOptions, refuse_long
from datagen.export.lessons import TASKS, Lesson, PictureUse, Piece, TextPiece, refuse_markers
from datagen.export.tokens import PictureSizes, Resizing

LINES: Final = "samples.jsonl"
PICTURES: Final = "images"
QUESTION, TRACE, ANSWER = "Question", "Text Reasoning Trace", "Final Answer"
LAST_PICTURE: Final = "The last picture."
"""The answer where a picture is what was asked for."""
SIZES: Final = PictureSizes(vae=Resizing(16, 512, 512), vit=Resizing(14, 512, 512))
"""Those of data/configs/example.yaml."""
_INSTRUCTION = TextPiece("." * 200)
"""Has at least as many tokens as the instruction that the reader puts in front of every sample."""
_FOLDER_SAMPLES = 1000
"""Samples whose pictures share a folder."""


class ZebraCotLayout:
    """`samples.jsonl`, and the pictures in `images/000000/KEY.MEMBER`, a thousand samples a folder."""

    tasks: ClassVar[frozenset[str]] = frozenset(TASKS)
    max_tokens: ClassVar[int] = 60_000

    def __init__(self, options: LayoutOptions) -> None:
        self._options = options
        self._samples = 0
        self._lines: IO[str] | None = None

    def add(self, lesson: Lesson) -> Counter[str]:
        """Write the pictures of a lesson, then its line."""
        refuse_markers(lesson)
        answer = lesson.info.steps[-1].verdict if lesson.task.startswith("inspect_") else LAST_PICTURE
        read = _pieces_of_reader(lesson, answer=answer)
        refuse_long(lesson, pieces=read, sizes=SIZES, max_tokens=self._options.max_tokens)
        paths = self._write_pictures(lesson)
        given = [piece for piece in lesson.pieces if not piece.is_learnt]
        learnt = [piece for piece in lesson.pieces if piece.is_learnt]
        keys: dict[str, str] = {}
        row = {
            "key": lesson.key,
            "task": lesson.task,
            QUESTION: _text(given, paths, prefix="problem_image", keys=keys),
            TRACE: _text(learnt, paths, prefix="reasoning_image", keys=keys),
            ANSWER: answer,
            **keys,
        }
        if self._lines is None:
            self._lines = (self._options.folder / LINES).open("w", encoding="utf-8")
        self._lines.write(json.dumps(row) + "\n")
        not_painted_from = sum(use.is_painted_from and not use.is_learnt for use in lesson.uses)
        return lesson.without_place + Counter({"given picture to paint from": not_painted_from})

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


def _pieces_of_reader(lesson: Lesson, *, answer: str) -> Iterator[Piece]:
    """What the reader makes of a lesson, at most: it joins words between two pictures."""
    yield _INSTRUCTION
    yield TextPiece("Question: ")
    for piece in lesson.pieces:
        if isinstance(piece, TextPiece):
            yield piece._replace(text=f"<think>{piece.text}</think>") if piece.is_learnt else piece
        else:
            yield PictureUse(piece.member, is_learnt=piece.is_learnt, is_painted_from=piece.is_learnt)
    yield TextPiece(f"<answer>Final Answer: {answer}</answer>", is_learnt=True)


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
