"""IRG's layout for BAGEL: Parquet files, each row a `conversation` in JSON whose pictures are base64.

Source: facts about SFT/data/interleave_datasets/multi_think_interleave_t2i_dataset.py of
Osilly/Interleaving-Reasoning-Generation at f85496e, whose code is not used here. A turn of the user is words; a turn of
the assistant is parts of text and pictures. For the reader a flag that is missing is false, but that of the assistant's
text; it swallows what fails for a picture without a true flag, and the picture is gone. So each part has all its flags.
BAGEL's own reader passes over a Parquet file that `parquet_info` does not list, so one is written beside the files;
IRG's looks into such a file.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from itertools import takewhile
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final

from datagen.export.layouts import LayoutOptions, refuse_long
from datagen.export.lessons import TASKS, Lesson, Piece, TextPiece, refuse_markers
from datagen.export.tokens import PictureSizes, Resizing

if TYPE_CHECKING:
    import pyarrow.parquet as pq

PARQUET_INFO: Final = "parquet_info.json"
SIZES: Final = PictureSizes(vae=Resizing(16, 512, 1024), vit=Resizing(14, 378, 980))
"""Those of SFT/data/configs/train_toy_dataset_stage1.yaml and of stage 2."""
_GROUP_ROWS = 8
"""Rows of a row group. BAGEL's readers share groups out evenly to their workers and leave the rest unread, so a group
is small."""
_GROUP_BYTES = 32 << 20
_FILE_BYTES = 1 << 30


class IrgLayout:
    """Files `000000.parquet`, ... and `parquet_info.json`."""

    tasks: ClassVar[frozenset[str]] = frozenset(TASKS)
    max_tokens: ClassVar[int] = 32_768

    def __init__(self, options: LayoutOptions) -> None:
        self._options = options
        self._rows: list[dict[str, str]] = []
        self._row_bytes = 0
        self._groups: list[int] = []
        """Row groups of each file."""
        self._file: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, lesson: Lesson) -> Counter[str]:
        """Write a lesson as one row."""
        refuse_markers(lesson)
        refuse_long(lesson, pieces=lesson.pieces, sizes=SIZES, max_tokens=self._options.max_tokens)
        conversation = json.dumps(_turns(lesson))
        self._rows.append({"conversation": conversation, "key": lesson.key, "task": lesson.task})
        self._row_bytes += len(conversation)
        if len(self._rows) == _GROUP_ROWS or self._row_bytes >= _GROUP_BYTES:
            self._write_group()
        return lesson.without_place

    def close(self) -> None:
        """Finish the last file, then write `parquet_info.json`."""
        if self._rows:
            self._write_group()
        self._close_file()
        if not self._groups:
            return
        paths = {
            str(self._options.published / _name(number)): {"num_row_groups": groups}
            for number, groups in enumerate(self._groups)
        }
        (self._options.folder / PARQUET_INFO).write_text(json.dumps(paths, indent=2) + "\n")

    def _write_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([(name, pa.string()) for name in ("conversation", "key", "task")])
        if self._file is None:
            self._file = (self._options.folder / _name(len(self._groups))).open("wb")
            self._writer = pq.ParquetWriter(self._file, schema)
            self._groups.append(0)
        assert self._writer is not None
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=schema), row_group_size=_GROUP_ROWS)
        self._groups[-1] += 1
        self._rows, self._row_bytes = [], 0
        if self._file.tell() >= _FILE_BYTES:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None and self._writer is not None:
            self._writer.close()
            self._file.close()
        self._file = self._writer = None


def _name(number: int) -> str:
    return f"{number:06d}.parquet"


def _turns(lesson: Lesson) -> list[dict[str, Any]]:
    """The given words in front are turns of the user, who has no pictures; all else is one turn of the assistant."""
    given = [piece.text for piece in takewhile(_is_given_text, lesson.pieces) if isinstance(piece, TextPiece)]
    parts = [_part(piece, lesson) for piece in lesson.pieces[len(given) :]]
    turns: list[dict[str, Any]] = [{"role": "user", "content": text, "need_loss": False} for text in given]
    return [*turns, {"role": "assistant", "content": parts}]


def _is_given_text(piece: Piece) -> bool:
    return isinstance(piece, TextPiece) and not piece.is_learnt


def _part(piece: Piece, lesson: Lesson) -> dict[str, Any]:
    if isinstance(piece, TextPiece):
        return {"type": "text", "content": piece.text, "need_loss": piece.is_learnt}
    return {
        "type": "image",
        "content": base64.b64encode(lesson.pictures[piece.member]).decode(),
        "need_loss": piece.is_learnt,
        "need_vae": piece.is_painted_from,
        "need_vit": piece.is_understood,
    }
