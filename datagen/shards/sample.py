"""Composes the sample of an accepted record: its key, its members and KEY.json."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from pydantic import ValidationError

from datagen.core.errors import DataError
from datagen.core.fields import PLACEHOLDER, Field
from datagen.core.record import Record
from datagen.core.redact import redact_address, redact_data
from datagen.imaging.image import Mask
from datagen.shards.info import SampleInfo
from datagen.shards.options import ImageOptions

MAX_KEY = 80
MAX_MEMBER = 19
"""Characters of a member name. With the longest key and the dot it fills the 100 characters of a USTAR name."""

_DIGEST = 16
_SIGNED = re.compile(rf"(^|-)[a-z2-7]{{{_DIGEST}}}$")
_READABLE = re.compile(r"[a-z0-9][a-z0-9_-]*|[a-z0-9]([a-z0-9_-]*[a-z0-9])?([#+][0-9]+)+")
_MEMBER = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9]+")


class SampleSettings(NamedTuple):
    """The settings that all samples of one run share."""

    catalogue: Mapping[str, Field]
    """The fields by name; they determine the members."""
    scored_by: Mapping[str, str]
    """The stage or model that wrote each score field, by field."""
    unchecked: Sequence[str]
    """Properties of samples that the run's profile cannot check."""
    run: str
    """The fingerprint of the run."""
    seed: int
    images: ImageOptions


class StoredSample(NamedTuple):
    """A sample as it is written into a part."""

    key: str
    members: dict[str, bytes]
    """By name without the key, such as `source.png`."""
    content: str
    """A digest that is equal for exact duplicates: the same pictures, masks and sounds, and the same edit.

    The edit is the task, the label, the subject and the edits (operation, object and box). The wording counts only if
    there are no edits, because it may be drawn at random for each record.
    """
    info: SampleInfo


def key_of(id: str) -> str:
    """The key of a record: its id if that is a valid key, else a readable part of the id and a digest of it.

    The marks of derived ids stay readable: `coins#3` becomes `coins__3`, `coins#3+0` becomes `coins__3--0`. A key has
    at most 80 of a-z, 0-9, `-` and `_`, and begins with a letter or digit. Different ids have different keys, except
    for a collision of 80 bits.
    """
    readable = id.replace("#", "__").replace("+", "--")
    # an id that looks like the key of another id gets a digest too
    ambiguous = "__" in id or "--" in id or _SIGNED.search(id)
    if _READABLE.fullmatch(id) and len(readable) <= MAX_KEY and not ambiguous:
        return readable
    slug = re.sub(r"[^a-z0-9_]+", "-", id[: 4 * MAX_KEY].lower()).lstrip("-_")
    digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest()[:10]
    # 80 bits are exactly 16 base32 letters, without padding
    signature = base64.b32encode(digest).decode().lower()
    prefix = slug[: MAX_KEY - _DIGEST - 1].rstrip("-_")
    return f"{prefix}-{signature}" if prefix else signature


def compose(record: Record, *, settings: SampleSettings) -> StoredSample:
    """The sample of an accepted record.

    The catalogue determines the members, the well-known fields KEY.json. A record from a finished dataset (field
    `carried`) keeps its scores, unchecked, run and seed. Raises `DataError` if the record contradicts itself or the
    schema.
    """
    members = _members(record, settings.catalogue, settings.images)
    stems = {name.split(".")[0]: name for name in members}
    carried = record.get("carried") or {}
    values = _info_values(record, _MemberNames(record.id, stems)) | {
        "key": key_of(record.id),
        "scores": _scores(record, settings, carried.get("scores", ())),
        "unchecked": [*dict.fromkeys([*carried.get("unchecked", ()), *settings.unchecked])],
        "run": carried.get("run", settings.run),
        "seed": carried.get("seed", settings.seed),
    }
    info = _checked(record.id, redact_data(values))
    content = _content(members, info, copy=record.get("copy") or 0)
    members["txt"] = (info.text or info.instruction).encode()
    return StoredSample(info.key, {**members, "json": info.encoded()}, content, info)


class _MemberNames(NamedTuple):
    id: str
    stems: Mapping[str, str]

    def full(self, stem: object) -> str:
        """The name of the member `stem` with its extension; '' for an empty stem."""
        name = str(stem or "")
        if not name or name in self.stems.values():
            return name
        if name not in self.stems:
            has = ", ".join(sorted(self.stems)) or "none"
            raise DataError(f"record '{self.id}' names the member '{name}', which it has not; it has: {has}")
        return self.stems[name]


def _members(record: Record, catalogue: Mapping[str, Field], images: ImageOptions) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for name, value in record.items():
        field = catalogue.get(name)
        if field is None or not field.member or value is None:
            continue
        for member, data in _files(field, value, images):
            _check_member(member, name, members)
            members[member] = data
    return members


def _check_member(member: str, field: str, members: Mapping[str, bytes]) -> None:
    if not _MEMBER.fullmatch(member) or len(member) > MAX_MEMBER:
        raise DataError(
            f"field '{field}' would be stored as '{member}'; a member is called by at most {MAX_MEMBER} "
            "lower-case letters, digits and '_', extension included"
        )
    if any(member.split(".", maxsplit=1)[0] == other.split(".")[0] for other in members):
        raise DataError(f"two fields, one of them '{field}', would be stored as '{member}'")


def _files(field: Field, value: Any, images: ImageOptions) -> Iterator[tuple[str, bytes]]:
    many = field.kind in ("images", "masks", "audio")
    for index, item in enumerate(value if many else [value]):
        stem = f"{field.member}_{index}" if many else field.member
        if field.kind in ("image", "images"):
            data = item.stored(images.format, quality=images.quality, keep_original=images.keep_originals)
            yield f"{stem}.{images.format}", data
        elif field.kind in ("mask", "masks"):
            yield f"{stem}.png", _mask_png(item)
        elif field.kind == "audio":
            yield f"{stem}.flac", item


def _mask_png(mask: Mask) -> bytes:
    done, data = cv2.imencode(".png", mask.astype(np.uint8) * 255)
    if not done:
        raise DataError(f"a mask of {mask.shape} cannot be stored as PNG")
    return data.tobytes()


def _info_values(record: Record, names: _MemberNames) -> dict[str, Any]:
    """The values of KEY.json that come from well-known fields."""
    inputs = _rows(record, "inputs")
    instruction = str(record.get("instruction") or "")
    text = str(record.get("text") or instruction)
    license = record.get("license") or ""
    return {
        "id": record.id,
        "task": record.get("task") or "",
        "label": record.get("label") or "positive",
        "instruction": instruction,
        "text": "" if PLACEHOLDER in text else text,
        "inputs": [names.full(row.pop("member", "")) for row in inputs],
        "input_info": inputs,
        "target": names.stems.get("target", ""),
        "captions": {side: record.get(f"{side}_caption") or "" for side in ("source", "target")},
        "subject": record.get("subject") or "",
        "size": _size(record),
        "edits": _rows(record, "edits", naming=("mask", names)),
        "steps": _rows(record, "steps", naming=("image", names)),
        "instances": _rows(record, "instances", naming=("mask", names)),
        "relations": _rows(record, "relations"),
        "license": license,
        "source": {"uri": redact_address(record.get("uri") or ""), "sha256": _sha256(record), "license": license},
    }


def _rows(record: Record, field: str, *, naming: tuple[str, _MemberNames] | None = None) -> list[dict[str, Any]]:
    """The rows of a list field without None values; `naming` (column, names) completes member names in a column."""
    rows = []
    for row in record.get(field) or ():
        if not isinstance(row, Mapping):
            raise DataError(f"record '{record.id}': field '{field}' is a list of mappings, it holds {row!r:.60}")
        rows.append({name: value for name, value in row.items() if value is not None})
    if naming:
        column, names = naming
        return [{**row, column: names.full(row.get(column))} for row in rows]
    return rows


def _size(record: Record) -> list[int]:
    picture = record.get("source") or record.get("target")
    return list(picture.size) if picture is not None else []


def _sha256(record: Record) -> str:
    return str(record.get("original_sha256") or record.get("sha256") or "")


def _scores(record: Record, settings: SampleSettings, carried: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The carried scores that were not measured again, then the record's own scores."""
    named = (name for name, field in settings.catalogue.items() if field.kind == "score")
    own = [
        {"name": name, "by": settings.scored_by.get(name, ""), "value": float(record[name])}
        for name in named
        if record.get(name) is not None
    ]
    return [*(dict(score) for score in carried if score["name"] not in record), *own]


def _checked(id: str, values: dict[str, Any]) -> SampleInfo:
    try:
        info = SampleInfo.model_validate(values)
        info.encoded()  # fails for lone surrogates, which the validation accepts
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise DataError(f"record '{id}' cannot be stored: {place or 'sample'}: {first['msg']}") from error
    except ValueError as error:
        raise DataError(f"record {id!r} holds text that is no valid Unicode: {error}") from error
    return info


def _content(members: Mapping[str, bytes], info: SampleInfo, *, copy: int) -> str:
    digest = hashlib.sha256()
    edit = [*_edit_content(info), copy] if copy else _edit_content(info)  # a copy that a mix wants is no duplicate
    for name, data in [("", json.dumps(edit).encode()), *sorted(members.items())]:
        # with lengths, so that no two sets of members hash the same bytes
        digest.update(f"{len(name)}:{name}:{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()


def _edit_content(info: SampleInfo) -> list[object]:
    """The parts of KEY.json that say what is done to the pictures."""
    edits = [[edit.op, edit.object, edit.box] for edit in info.edits if edit.op]
    words = [] if edits else [info.instruction, info.text, *(step.instruction for step in info.steps)]
    return [info.task, info.label, info.subject, edits, words]
