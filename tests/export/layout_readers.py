"""Readers of the layouts, written anew from what is known of the trainers' own, with their silent losses.

Each gives the samples that its trainer would train on, by key, and drops without a word what its trainer drops.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
from PIL import Image as Pillow


class ReadPicture(NamedTuple):
    """A picture that a reader found."""

    data: bytes
    loss: bool
    need_vae: bool
    need_vit: bool


class ReadText(NamedTuple):
    """A text that a reader found."""

    text: str
    loss: bool


ReadSample = list[ReadPicture | ReadText]


def read_irg(data_folder: Path) -> dict[str, ReadSample]:
    """Rows of the Parquet files that `parquet_info` lists by their path, all row groups of it."""
    known = json.loads((data_folder / "parquet_info.json").read_text())
    found: dict[str, ReadSample] = {}
    for path in sorted(data_folder.glob("*.parquet")):
        if str(path) not in known:
            continue
        with pq.ParquetFile(path) as file:
            for group in range(known[str(path)]["num_row_groups"]):
                for row in file.read_row_group(group).to_pylist():
                    found[row["key"]] = _conversation(row["conversation"])
    return found


def _conversation(text: str) -> ReadSample:
    pieces: ReadSample = []
    for item in json.loads(text):
        if item["type"] == "text":
            pieces.append(ReadText(item["text"], item["loss"]))
            continue
        try:
            flags = [item[name] for name in ("loss", "need_vae", "need_vit")]
            assert any(flags)
            data = base64.b64decode(item["image"])
            Pillow.open(io.BytesIO(data)).load()
        except Exception:  # as its trainer does: the picture vanishes
            continue
        pieces.append(ReadPicture(data, *flags))
    return pieces


def read_zebra(data_folder: Path) -> dict[str, ReadSample]:
    """Lines whose pictures are all there."""
    lines = (data_folder / "samples.jsonl").read_text().splitlines()
    found = {row["key"]: _line(row, data_folder) for row in map(json.loads, lines)}
    return {key: pieces for key, pieces in found.items() if pieces is not None}


def _line(row: dict[str, str], folder: Path) -> ReadSample | None:
    pieces: ReadSample = []
    for name, loss in (("Question", False), ("Text Reasoning Trace", True), ("Final Answer", True)):
        for number, part in enumerate(re.split(r"<image_start>\[([^\]]*)\]<image_end>", row[name])):
            if number % 2 == 0:
                pieces += [ReadText(part.strip(), loss)] if part.strip() else []
            elif part not in row or not (folder / row[part]).is_file():
                return None
            else:
                pieces.append(ReadPicture((folder / row[part]).read_bytes(), loss, True, True))
    return pieces


def read_genref(data_folder: Path) -> dict[str, dict[str, bytes]]:
    """Members by sample and extension, as WebDataset groups them: all behind the first dot is the extension."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted(data_folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for entry in tar:
                key, _, extension = entry.name.partition(".")
                file = tar.extractfile(entry)
                assert file
                found.setdefault(key, {})[extension] = file.read()
    whole = {"good_image.jpg", "bad_image.jpg", "reflection.txt", "prompt.txt", "subset.txt"}
    return {
        key: members
        for key, members in found.items()
        if members.keys() >= whole and len(members["reflection.txt"].decode()) >= 5
    }
