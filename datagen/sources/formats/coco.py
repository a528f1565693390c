"""The source `coco`: one JSON file of images, objects and categories, and optionally one of captions.

The files are streamed into a temporary database on disk, so that only one entry at a time is in memory. The layout is
COCO's data format (cocodataset.org, "Data format"): `images`, `annotations`, `categories` and `licenses`, joined by
ids; `bbox` is x, y, width, height in pixels; `segmentation` is polygons, or run lengths for crowds.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Literal

from pydantic import Field

from datagen.core.errors import ConfigError, DataError
from datagen.core.fields import INT64
from datagen.fetch import reason, scheme_of
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing, split_address
from datagen.sources.id_set import with_unique_ids
from datagen.sources.manifest import whole_number
from datagen.sources.rows import FIELDS, faulty_row, validate_row

if TYPE_CHECKING:
    import sqlite3


class CocoConfig(ForeignOptions):
    """COCO's annotations of a folder of pictures; not verified on real data."""

    kind: Literal["coco"] = "coco"
    """One JSON file of images, annotations and categories."""
    path: str = Field(min_length=1)
    """Address of the file, such as annotations/instances_val2017.json."""
    images: str = Field(min_length=1)
    """Address of the folder of the pictures, such as val2017."""
    captions: str = ""
    """Address of a file of captions, such as annotations/captions_val2017.json; of several, the first is taken."""
    crowds: Literal["skip", "keep"] = "skip"
    """What becomes of annotations that cover a crowd of objects rather than one."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Coco(
            self.path,
            images=self.images,
            captions=self.captions,
            crowds=self.crowds,
            license=self.license,
            credit=self.credit,
        )


_TABLES = ("images", "annotations", "categories", "licenses")
_CHUNK = 2**18
_CC = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)")

Crowds = Literal["skip", "keep"]


class Coco:
    """One record for each image, with its objects; images and objects are in the order of their ids."""

    writes = FIELDS

    def __init__(self, path: str, *, images: str, captions: str, crowds: Crowds, license: str, credit: str) -> None:
        self.path = path
        self._images = images if images.endswith("/") else f"{images}/"
        self._captions = captions
        self._crowds = crowds
        self._default = {"license": license, "credit": credit}

    def check(self) -> None:
        """Raise `ConfigError` if a local file or folder is missing, or if a file does not begin like a JSON object."""
        for path in filter(None, (self.path, self._captions)):
            FileListing(path).check_scheme()
            if scheme_of(path) == "file":
                with _opened(path) as file:
                    if not file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
                        raise ConfigError(f"{path}: is none of COCO's files, which hold one JSON object")
        if scheme_of(self._images) == "file" and FileListing(self._images.rstrip("/") or "/").is_file():
            raise ConfigError(f"{self._images}: is a file; `images` is the folder of the pictures")

    def count(self) -> int | None:
        """None: it is unknown without reading the whole file."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The images, sorted by id."""
        yield from with_unique_ids(self._all(), path=self.path, empty=f"{self.path}: lists no `images`")

    def _all(self) -> Iterator[SourceRow]:
        import sqlite3

        with tempfile.TemporaryDirectory(prefix="datagen-") as folder:
            database = sqlite3.connect(f"{folder}/coco.sqlite", isolation_level=None)
            try:
                yield from self._fill(database)
                yield from self._joined_rows(database)
            finally:
                database.close()

    def _fill(self, database: sqlite3.Connection) -> Iterator[SourceRow]:
        """Read both files into the database, and yield a failed row for each entry that belongs to no image."""
        # Without a journal, as the database never outlives this process.
        database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"
            + "".join(f"CREATE TABLE {name} (id INTEGER, image INTEGER, data TEXT);" for name in (*_TABLES, "captions"))
        )
        database.execute("BEGIN")
        faults: list[SourceRow] = []
        _read_entries(self.path, _TABLES, _inserter(database, self.path, faults))
        if self._captions:
            put = _inserter(database, self._captions, faults)
            _read_entries(self._captions, ("annotations",), lambda _, number, entry: put("captions", number, entry))
        database.execute("COMMIT")
        # Indexes come after the inserts: to fill an indexed table takes longer.
        database.execute("CREATE INDEX of_image ON annotations (image)")
        database.execute("CREATE INDEX captions_of_image ON captions (image)")
        yield from faults
        lost = "SELECT id, image FROM annotations WHERE image NOT IN (SELECT id FROM images) ORDER BY id"
        for id, image in database.execute(lost):
            yield faulty_row(
                f"%annotation{id}", f"{self.path}: annotation {id} is of image {image}, which is not listed"
            )

    def _joined_rows(self, database: sqlite3.Connection) -> Iterator[SourceRow]:
        categories = {id: json.loads(text) for id, text in database.execute("SELECT id, data FROM categories")}
        licenses = {id: json.loads(text) for id, text in database.execute("SELECT id, data FROM licenses")}
        for id, text in database.execute("SELECT id, data FROM images ORDER BY id, rowid"):
            yield self._row(database, id, json.loads(text), categories, licenses)

    def _row(
        self,
        database: sqlite3.Connection,
        id: int,
        image: Mapping[str, Any],
        categories: Mapping[int, Any],
        licenses: Mapping[int, Any],
    ) -> SourceRow:
        where = f"{self.path}: image {id}"
        things = database.execute("SELECT id, data FROM annotations WHERE image = ? ORDER BY id, rowid", (id,))
        caption = database.execute("SELECT data FROM captions WHERE image = ? ORDER BY id, rowid LIMIT 1", (id,))
        try:
            objects = [self._object(number, json.loads(text), categories) for number, text in things]
            license = _license(licenses, image) or self._default["license"]
        except (DataError, ValueError) as error:
            return faulty_row(escape_id(str(id)), f"{where}: {error}")
        first = caption.fetchone()
        data = {
            "id": str(id),
            "uri": image.get("file_name"),
            "license": license,
            "credit": image.get("flickr_url") or self._default["credit"],
            "caption": json.loads(first[0]).get("caption") if first else "",
            "objects": [thing for thing in objects if thing is not None],
        }
        return validate_row(data, base=self._images, where=where, name=escape_id(str(id)))

    def _object(self, id: int, thing: Mapping[str, Any], categories: Mapping[int, Any]) -> dict[str, Any] | None:
        """An annotation as an object of a manifest; None for a crowd that is to be skipped. Raises `DataError`."""
        if thing.get("iscrowd") and self._crowds == "skip":
            return None
        number = thing.get("category_id")
        category = categories.get(number) if isinstance(number, int) else None
        if not isinstance(category, dict) or not isinstance(category.get("name"), str):
            raise DataError(f"annotation {id} is of category {json.dumps(number):.40}, which is not listed")
        found: dict[str, Any] = {"label": category["name"], "box": _box(id, thing.get("bbox"))}
        shape = thing.get("segmentation")
        if isinstance(shape, dict):
            found["mask"] = _mask(id, shape)
        elif isinstance(shape, list):
            found["polygons"] = [_polygon(id, outline) for outline in shape]
        elif shape is not None:
            raise DataError(f"annotation {id} has a segmentation that is neither polygons nor run lengths")
        return found


def _license(licenses: Mapping[int, Any], image: Mapping[str, Any]) -> str:
    """The licence of an image, by its SPDX name if it is a Creative Commons licence. Raises `DataError`."""
    id = image.get("license")
    if id is None:
        return ""
    found = licenses.get(id) if _is_id(id) else None
    if not isinstance(found, dict):
        raise DataError(f"has the licence {json.dumps(id):.40}, which is not listed")
    name, url = str(found.get("name") or ""), str(found.get("url") or "")
    match = _CC.search(url)
    if match and match[1] == "licenses":
        return f"CC-{match[2].upper()}-{match[3]}"
    if match and match[2] == "zero":
        return f"CC0-{match[3]}"
    return name or url


def _box(id: int, box: Any) -> list[float]:
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(edge, int | float) for edge in box):
        raise DataError(f"annotation {id} has a bbox that is not four numbers: x, y, width, height")
    x, y, width, height = box
    return [x, y, x + width, y + height]


def _polygon(id: int, outline: Any) -> list[list[float]]:
    if not isinstance(outline, list) or len(outline) % 2 or not all(isinstance(edge, int | float) for edge in outline):
        raise DataError(f"annotation {id} has a polygon that is not x, y, x, y, ...")
    return [[outline[at], outline[at + 1]] for at in range(0, len(outline), 2)]


def _mask(id: int, shape: Mapping[str, Any]) -> dict[str, Any]:
    from datagen.imaging.rle import parse_rle

    size, counts = shape.get("size"), shape.get("counts")
    sides = size if isinstance(size, list) and all(isinstance(side, int) and 0 < side < 2**16 for side in size) else []
    if len(sides) != 2 or not isinstance(counts, str | list):
        raise DataError(f"annotation {id} has run lengths without `size` and `counts`")
    try:
        runs = parse_rle(counts, height=sides[0], width=sides[1])
    except DataError as error:
        raise DataError(f"annotation {id}: {error}") from error
    return {"size": sides, "counts": runs.counts.tolist()}


_Put = Callable[[str, int, Any], None]


def _inserter(database: sqlite3.Connection, path: str, faults: list[SourceRow]) -> _Put:
    """A function that inserts an entry of a file into its table. An entry without valid ids is added to `faults`.

    After `_MOST_FAULTS` such entries the others are dropped.
    """

    def put(table: str, number: int, entry: Any) -> None:
        id, image = (entry.get("id"), entry.get("image_id")) if isinstance(entry, dict) else (None, None)
        needs_image = table in ("annotations", "captions")
        if not _is_id(id) or (needs_image and not _is_id(image)):
            if len(faults) < _MOST_FAULTS:
                wanted = "`id` and `image_id`" if needs_image else "`id`"
                error = f"{path}: `{table}` number {number} needs whole numbers as {wanted}"
                faults.append(faulty_row(f"%{table}{number}", error))
            return
        if table == "annotations" and "caption" in entry and "category_id" not in entry:
            table = "captions"
        database.execute(
            f"INSERT INTO {table} VALUES (?, ?, ?)", (id, image if needs_image else None, json.dumps(entry))
        )

    return put


_MOST_FAULTS = 1000


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62


def _read_entries(path: str, tables: tuple[str, ...], put: _Put) -> None:
    """Call `put` for every entry of the lists called `tables`, one list after another. Raises `ConfigError`.

    The file is read once for each list, because ijson is fastest when it looks for a single one. So a remote file is
    copied to the disk first.
    """
    import ijson

    with tempfile.TemporaryFile() as copy, _opened(path) as opened:
        file = opened
        try:
            if scheme_of(path) != "file":
                shutil.copyfileobj(opened, copy, _CHUNK)
                file = copy
            for table in tables:
                for number, entry in enumerate(_entries(file, table)):
                    put(table, number, entry)
        except (ijson.JSONError, UnicodeDecodeError, ArithmeticError, RecursionError) as error:
            raise ConfigError(f"{path}: is not valid JSON: {str(error).splitlines()[0]:.200}") from error
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {reason(error)}") from error


def _entries(file: IO[bytes], table: str) -> Iterator[Any]:
    """The entries of a list. From one on that has a number too large for 64 bits, they are read in a slower way."""
    import ijson

    number = 0
    file.seek(0)
    try:
        for entry in ijson.items(file, f"{table}.item", use_float=True, buf_size=_CHUNK):
            yield entry
            number += 1
    except ijson.IncompleteJSONError as error:
        if "overflow" not in str(error) or _has_endless_number(file):
            raise
        file.seek(0)
        for entry in islice(ijson.items(file, f"{table}.item", buf_size=_CHUNK), number, None):
            yield _plain_numbers(entry)


def _plain_numbers(value: Any) -> Any:
    """A value of ijson with numbers as `parse_json` has them: no `Decimal`, nothing beyond 64 bits, none infinite."""
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    if isinstance(value, int) and value not in INT64:
        return whole_number(str(value))
    if isinstance(value, Decimal):
        return float(value) if math.isfinite(float(value)) else None
    return value


def _has_endless_number(file: IO[bytes]) -> bool:
    """Whether a file has a run of more digits than Python converts; ijson's C code ends the process there."""
    file.seek(0)
    before = b""
    while chunk := file.read(_CHUNK):
        if _ENDLESS.search(before + chunk):
            return True
        before = chunk[-_MOST_DIGITS:]
    return False


_MOST_DIGITS = 4300
_ENDLESS = re.compile(rb"\d{%d}" % (_MOST_DIGITS + 1))


def _opened(path: str) -> Any:
    listing, name = split_address(path)
    return listing.open(name)
