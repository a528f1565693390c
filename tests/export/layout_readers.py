"""Readers of the layouts, written anew from facts about the trainers' own, with their defaults and silent losses.

Each gives the samples that its trainer would train on, by key, and drops without a word what its trainer drops.
docs/export.md says in which files of the trainers the facts are found.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

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
    """All row groups of the Parquet files, as many as `parquet_info` says of a file's path or the file itself has."""
    known = json.loads((data_folder / "parquet_info.json").read_text())
    found: dict[str, ReadSample] = {}
    for path in sorted(data_folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            groups = known[str(path)]["num_row_groups"] if str(path) in known else file.num_row_groups
            for group in range(groups):
                for row in file.read_row_group(group).to_pylist():
                    found[row["key"]] = _conversation(row["conversation"])
    return found


def _conversation(text: str) -> ReadSample:
    pieces: ReadSample = []
    for turn in json.loads(text):
        role, content = turn.get("role"), turn.get("content")
        if role == "user" and content and isinstance(content, str):
            pieces.append(ReadText(content, turn.get("need_loss", False)))
        elif role == "assistant" and isinstance(content, list):
            pieces += [piece for part in content if (piece := _part(part)) is not None]
    return pieces


def _part(part: dict[str, Any]) -> ReadPicture | ReadText | None:
    """None for a part that vanishes: an empty one, one of another type, and a picture with any fault."""
    content = part.get("content")
    if not content:
        return None
    if part.get("type") == "text":
        return ReadText(content, part.get("need_loss", True))
    if part.get("type") != "image":
        return None
    try:
        data = base64.b64decode(content)
        Pillow.open(io.BytesIO(data)).load()
        flags = [part.get(name, False) for name in ("need_loss", "need_vae", "need_vit")]
        assert any(flags)
    except Exception:
        return None
    return ReadPicture(data, *flags)


def read_zebra(data_folder: Path) -> dict[str, ReadSample]:
    """Lines with a question, a trace, an answer and all pictures; without the words that the reader adds."""
    lines = (data_folder / "samples.jsonl").read_text().splitlines()
    found = {row["key"]: _line(row, data_folder) for row in map(json.loads, lines)}
    return {key: pieces for key, pieces in found.items() if pieces is not None}


def _line(row: dict[str, str], folder: Path) -> ReadSample | None:
    texts = {name: row.get(name, "") for name in ("Question", "Text Reasoning Trace", "Final Answer")}
    if not all(texts.values()):
        return None
    pieces: ReadSample = []
    for name in ("Question", "Text Reasoning Trace"):
        is_learnt = name != "Question"
        marked = re.sub(r"<image_start>\[([^\]]+)\]<image_end>", "<IMAGE_PLACEHOLDER>", texts[name])
        keys = re.findall(r"<image_start>\[([^\]]+)\]<image_end>", texts[name])
        parts = marked.split("<IMAGE_PLACEHOLDER>")
        if len(parts) != len(keys) + 1:
            return None
        for part, key in zip_longest(parts, keys):
            pieces += [ReadText(part.strip(), is_learnt)] if part.strip() else []
            if key is None:
                continue
            path = folder / (row.get(key) or "none")
            if not path.is_file():
                return None
            pieces.append(ReadPicture(path.read_bytes(), is_learnt, need_vae=is_learnt, need_vit=True))
    return [*pieces, ReadText(texts["Final Answer"], loss=True)]


def read_genref(data_folder: Path, *, subset: str = "rule") -> dict[str, dict[str, bytes]]:
    """Members by sample and extension, as WebDataset groups them: all behind the first dot is the extension.

    Raises `AssertionError` for a sample that is not whole, at which training fails.
    """
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted(data_folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for entry in tar:
                key, _, extension = entry.name.partition(".")
                file = tar.extractfile(entry)
                assert file
                found.setdefault(key, {})[extension] = file.read()
    whole = {"good_image.jpg", "bad_image.jpg", "reflection.txt", "prompt.txt", "subset.txt"}
    assert all(members.keys() >= whole for members in found.values())
    return {key: members for key, members in found.items() if members["subset.txt"].decode() == subset}


def said_to_model(members: dict[str, bytes]) -> str:
    """The words that ReflectionFlow's model is given with a sample, when none are dropped at random."""
    prompt, reflection = (members[name].decode() for name in ("prompt.txt", "reflection.txt"))
    return prompt if len(reflection) < 5 else f"{prompt} [Reflexion] {reflection}"
