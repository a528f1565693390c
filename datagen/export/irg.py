"""IRG's layout for BAGEL: Parquet files, each row a `conversation` in JSON whose pictures are base64.

Source: facts about `multi_think_interleave_t2i_dataset.py` of Interleaving Reasoning Generation, whose code is not used
here. Its reader swallows the assertion that fails for a picture without `loss`, `need_vae` and `need_vit`, and the
picture is gone; so each picture has all three, and one of them is true. BAGEL's readers pass over a Parquet file that
`parquet_info` does not list, so one is written beside the files.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final

from datagen.export.layouts import LayoutOptions, refuse_long
from datagen.export.lessons import TASKS, Lesson, Piece, TextPiece, refuse_markers

if TYPE_CHECKING:
    import pyarrow.parquet as pq

PARQUET_INFO: Final = "parquet_info.json"
_GROUP_ROWS = 32
"""Rows of a row group, the unit that BAGEL's readers share out to their workers."""
_GROUP_BYTES = 32 << 20
_FILE_BYTES = 1 << 30


class IrgLayout:
    """Files `000000.parquet`, ... and `parquet_info.json`."""

    tasks: ClassVar[frozenset[str]] = frozenset(TASKS)

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
        refuse_long(lesson, uses=lesson.uses, max_tokens=self._options.max_tokens)
        conversation = json.dumps([_item(piece, lesson) for piece in lesson.pieces])
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


def _item(piece: Piece, lesson: Lesson) -> dict[str, Any]:
    if isinstance(piece, TextPiece):
        return {"type": "text", "text": piece.text, "loss": piece.is_learnt}
    return {
        "type": "image",
        "image": base64.b64encode(lesson.pictures[piece.member]).decode(),
        "loss": piece.is_learnt,
        "need_vae": piece.is_painted_from,
        "need_vit": piece.is_understood,
    }
