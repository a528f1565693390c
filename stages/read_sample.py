"""Read samples of finished datasets, to mix them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from datagen import Answer, DataError, Failed, Map, Record, Reject, StageConfig
from datagen.core.sample_rows import SCHEMAS
from datagen.fetch import SCHEMES, read_file
from datagen.imaging.image import Image

_NUMBERED = re.compile(r"(ref|mask|turn)_(\d+)")
_NOT_IMAGES = ("json", "txt")
_TEXTS = ("label", "task", "subject", "instruction", "text")
_LISTS = ("steps", "instances", "relations", "edits")
_REASONS = {
    "beyond_share": "the weights leave no place for it in the mix",
    "beyond_cap": "the cap of its dataset is reached",
    "other_split": "the mix takes another split of its dataset",
}


class ReadSample(Map):
    """Read the samples of finished datasets that a mix takes; reject the others without reading them.

    Reads all members except the source picture, which `read_image` reads where there is one (`canvas: picture`). The
    instruction, the scores, what was unchecked, and the run and seed that made the sample are carried over. A sample
    with members for which there is no field fails. Rejects as `beyond_share`, `beyond_cap` or `other_split`.
    """

    reads = ("members", "base", "mix_says")
    writes = (
        "target", "refs", "masks", "turns", "uri", "original_sha256", "source_caption", "target_caption", "label",
        "task", "subject", "instruction", "text", "inputs", "steps", "instances", "relations", "edits", "carried",
    )  # fmt: skip
    rejects = ("beyond_share", "beyond_cap", "other_split")
    version = 3

    class Config(StageConfig):
        """Limits on what is read."""

        schemes: tuple[str, ...] = SCHEMES
        """Kinds of address that may be read; none on the web."""
        max_bytes: int = Field(default=200_000_000, ge=1)
        """Largest member."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Read each sample."""
        return [self._answer(record) for record in batch]

    def _answer(self, record: Record) -> Answer:
        if record["mix_says"] != "taken":
            return Reject(record["mix_says"], _REASONS[record["mix_says"]])
        try:
            return self._read(record["members"], record["base"])
        except DataError as error:
            return Failed(f"{record['base']}: {error}")

    def _read(self, members: Mapping[str, str], base: str) -> dict[str, Any]:
        named = {name.split(".")[0]: name for name in members if name not in _NOT_IMAGES}
        known = ("source", "target")
        strange = [name for stem, name in named.items() if stem not in known and not _NUMBERED.fullmatch(stem)]
        if strange:
            raise DataError(f"the sample has members that are not carried: {', '.join(strange):.200}")
        if "json" not in members or "target" not in named:
            raise DataError(f"the sample has no json or no target; it has: {', '.join(members):.200}")

        def data(name: str) -> bytes:
            return read_file(members[name], base=base, schemes=self.config.schemes, max_bytes=self.config.max_bytes)

        info = _parsed(data("json"))
        refs, masks, turns = ([data(name) for name in _numbered(named, kind)] for kind in ("ref", "mask", "turn"))
        return {
            **_sample_fields(info),
            "target": Image.decode(data(named["target"])),
            "refs": [Image.decode(ref) for ref in refs],
            "turns": [Image.decode(turn) for turn in turns],
            "masks": [Image.decode(mask).array[:, :, 0] > 127 for mask in masks],
        }


def _numbered(named: Mapping[str, str], kind: str) -> list[str]:
    """The members `kind`_0, `kind`_1 and so on, in order. Raises `DataError` if a number is missing."""
    found = [
        (int(match[2]), name)
        for stem, name in named.items()
        if (match := _NUMBERED.fullmatch(stem)) and match[1] == kind
    ]
    if [number for number, _ in sorted(found)] != list(range(len(found))):
        raise DataError(
            f"its members {kind}_0, {kind}_1, ... have gaps: {', '.join(name for _, name in sorted(found))}"
        )
    return [name for _, name in sorted(found)]


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        info = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"its json is not valid: {error}") from error
    if not isinstance(info, dict) or info.get("schema") not in SCHEMAS:
        raise DataError(f"its json is not of a schema that this datagen reads: {', '.join(map(str, SCHEMAS))}")
    return info


def _sample_fields(info: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that KEY.json holds. Raises `DataError`."""
    try:
        inputs = zip(info["inputs"], info["input_info"], strict=True)
        return {
            **{name: info[name] for name in (*_TEXTS, *_LISTS)},
            "uri": info["source"]["uri"],
            "original_sha256": info["source"]["sha256"],
            "source_caption": info["captions"]["source"],
            "target_caption": info["captions"]["target"],
            "inputs": [{**info_row, "member": name.split(".")[0]} for name, info_row in inputs],
            "edits": [_stemmed(edit, "mask") for edit in info["edits"]],
            "steps": [_stemmed(step, "image") for step in info["steps"]],
            "instances": [_stemmed(instance, "mask") for instance in info["instances"]],
            "carried": {name: info[name] for name in ("run", "seed", "scores", "unchecked")},
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"its json is not what its schema says: {type(error).__name__} {error}") from error


def _stemmed(row: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A row with its member's name without the extension, because the mix may store another image format."""
    return {**row, key: str(row[key]).split(".")[0]}
