"""A list of pictures with their objects, as JSON lines.

Each line: `{"id", "uri", "sha256", "license", "credit", "caption", "session",
"objects": [{"label", "box", "polygons", "mask", "attributes"}]}`; only `id` and
`uri` are needed. A line that is wrong fails by its id, or as `%line<number>`
where it has none. In a box, NaN and infinity are read as null, which stands
for a number that is not finite and fails that object alone.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from typing import IO, Annotated, Any, NotRequired

import fsspec
from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from datagen.errors import ConfigError, nearest
from datagen.fetch import folder_of, reason, scheme_of
from datagen.sources.base import SourceRow, escaped
from datagen.sources.seen import Seen

Text = Annotated[str, StringConstraints(max_length=100_000)]
LONGEST_LINE = 64 * 2**20
"""In bytes; a longer one fails."""
LONGEST_ID = 10_000
LARGEST_RUN = 2**31
"""Pixels; more than any picture that can be read has."""
FARTHEST = 1_000_000
"""In pixels; an outline's corner farther from the picture's is a fault, not an object that leaves the frame."""

Coordinate = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST)]
Edge = Annotated[float, Field(allow_inf_nan=False)]
_STRICT = with_config(ConfigDict(extra="forbid", strict=True))


@_STRICT
class RleMask(TypedDict):
    """A mask in COCO's uncompressed run lengths, column by column, background first; `size` is height and width."""

    size: Annotated[list[Annotated[int, Field(gt=0, le=LARGEST_RUN)]], Field(min_length=2, max_length=2)]
    counts: list[Annotated[int, Field(ge=0, le=LARGEST_RUN)]]


@_STRICT
class AnnotatedObject(TypedDict):
    """One object of a picture. Whether its box fits the picture is known only once that is read."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    box: Annotated[list[Edge | None], Field(min_length=4, max_length=4)]
    polygons: NotRequired[list[list[Annotated[list[Coordinate], Field(min_length=2, max_length=2)]]]]
    mask: NotRequired[RleMask | None]
    attributes: NotRequired[list[str]]


@_STRICT
class ManifestRow(TypedDict):
    """One line of a manifest."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]
    uri: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    sha256: NotRequired[Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]]
    license: NotRequired[Text]
    credit: NotRequired[Text]
    caption: NotRequired[Text]
    session: NotRequired[Text]
    objects: NotRequired[list[AnnotatedObject]]


_ROW = TypeAdapter(ManifestRow)
_JSON = _ROW.validator.validate_json


class Manifest:
    """The rows of a manifest file, at any fsspec address."""

    writes = ("uri", "base", "sha256", "license", "credit", "caption", "session", "objects")

    def __init__(self, path: str) -> None:
        self.path = path
        self._base = folder_of(path)

    def check(self) -> None:
        """Raise `ConfigError` if a local file is missing or has no rows, or if no filesystem has that scheme."""
        scheme = scheme_of(self.path)
        known = fsspec.available_protocols()
        if scheme not in known:
            raise ConfigError(f"{self.path}: no filesystem has the scheme '{scheme}'; {nearest(scheme, known)}")
        if scheme == "file" and next(self._lines(), None) is None:
            raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no rows; a manifest has one JSON object a line"

    def rows(self) -> Iterator[SourceRow]:
        """One row a line; blank lines are skipped."""
        seen = Seen()
        number = 0
        for number, line in self._lines():
            row = self._row(line, number)
            if not seen.add(row.id):
                error = f"{self.path}:{number}: the id '{row.id[:200]}' was used above"
                row = SourceRow(f"{row.id}%line{number}", {}, error)
            yield row
        if number == 0:
            raise ConfigError(self._empty())

    def count(self) -> int | None:
        """How many rows there are; None where the file is not on this machine, or cannot be read."""
        if scheme_of(self.path) != "file":
            return None
        try:
            return sum(1 for _ in self._lines())
        except ConfigError:
            return None

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines that are not blank, with their numbers; of one that is too long, its beginning."""
        try:
            # Remote files do not know `readline(limit)`.
            with fsspec.open(self.path, "rb") as file, io.BufferedReader(file, 2**20) as buffered:
                for number, line in enumerate(_cut(buffered), 1):
                    if line.strip(_BLANK):
                        yield number, line
        except FileNotFoundError as error:
            raise ConfigError(f"{self.path}: there is no such manifest; a relative path counts from here") from error
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(f"{self.path}: cannot be read as a manifest: {reason(error)}") from error

    def _row(self, line: bytes, number: int) -> SourceRow:
        row = _read_at_once(line)
        if row is not None:
            return self._sound(row)
        id = f"%line{number}"
        try:
            data = _parsed(line)
            if isinstance(data.get("id"), str) and 0 < len(data["id"]) <= LONGEST_ID:
                id = escaped(_told(data["id"]))
            return self._sound(_ROW.validate_python(data))
        except ValidationError as error:
            faults = "; ".join(_tell(fault) for fault in error.errors(include_url=False)[:5])
            return SourceRow(id, {}, _told(f"{self.path}:{number}: {faults}"))
        except ValueError as error:
            return SourceRow(id, {}, _told(f"{self.path}:{number}: {error}"))

    def _sound(self, row: ManifestRow) -> SourceRow:
        fields: dict[str, Any] = {**_UNSAID, **row}
        fields["objects"] = [{**_BARE, "polygons": [], "attributes": [], **thing} for thing in row.get("objects", ())]
        fields["base"] = self._base
        return SourceRow(escaped(fields.pop("id")), fields)


_UNSAID = dict.fromkeys(("uri", "sha256", "license", "credit", "caption", "session"), "")
_BARE: dict[str, Any] = {"label": "", "box": [], "polygons": [], "mask": None, "attributes": []}


def _read_at_once(line: bytes) -> ManifestRow | None:
    """The row on a line on which nothing is odd; None where something may be, which `_parsed` tells more slowly."""
    if b"\\" in line or len(line) > LONGEST_LINE:
        return None
    try:
        row: ManifestRow = _JSON(line)
    except ValidationError:
        return None
    return row if line.count(b'"') == 2 * _texts(row) else None  # a key that is there twice has quotes too many


def _texts(row: ManifestRow) -> int:
    """How many keys and texts a row consists of."""
    number = 2 * len(row) - ("objects" in row)
    for thing in row.get("objects", ()):
        number += len(thing) + 1 + len(thing.get("attributes", ())) + len(thing.get("mask") or ())
    return number


def _cut(file: IO[bytes]) -> Iterator[bytes]:
    """Lines; of one longer than `LONGEST_LINE`, that much and one byte more."""
    while line := file.readline(LONGEST_LINE + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE)
        yield line


def _parsed(line: bytes) -> dict[str, Any]:
    """The JSON object on a line. Raises `ValueError`."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"the line is longer than {LONGEST_LINE:,} bytes")
    try:
        data = _DECODER.decode(line.decode("utf-8-sig" if line.startswith(_MARK) else "utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} at character {error.pos + 1}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid UTF-8: {error.reason} at byte {error.start + 1}") from error
    except RecursionError as error:
        raise ValueError("not valid JSON: nested too deep") from error
    if not isinstance(data, dict):
        raise ValueError(f"a line is one JSON object, this one is {_JSON_NAMES[type(data)]}")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice:.100}' is there twice")
    return found


_MARK = b"\xef\xbb\xbf"
_BLANK = _MARK + b" \t\r\n"


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite, object_pairs_hook=_object)


def _told(text: str) -> str:
    """Text that any reader of the ledger can take: lone surrogates are written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _tell(fault: Any) -> str:
    path = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        *within, name = fault["loc"]
        known: type = RleMask if "mask" in within else AnnotatedObject if within else ManifestRow
        return f"unknown key '{path:.200}'; {nearest(str(name)[:200], known.__annotations__)}"
    place = f"'{path}'" if path else "a key"
    return f"{place}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


_JSON_NAMES = {
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
