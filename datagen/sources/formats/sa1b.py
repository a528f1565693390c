"""The source `sa1b`: pictures `sa_1.jpg`, each with its masks in `sa_1.json`, in folders or in the original tars.

The layout is that of segment-anything's README, section Dataset. The masks of one picture take about 100 kB, so the
driver does not read them: a record has the address of its JSON file, and the stage `read_annotations` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pydantic import Field

from datagen.core.errors import ConfigError
from datagen.fetch import scheme_of
from datagen.fetch.addresses import range_address
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import FIELDS, faulty_row, validate_row
from datagen.sources.tars import ENDING, Tar, has_braces, read_members, tars_at


class Sa1bConfig(ForeignOptions):
    """SA-1B's pictures and masks, which the stage `read_annotations` chooses from; not verified on real data."""

    kind: Literal["sa1b"] = "sa1b"
    """`sa_1.jpg` beside `sa_1.json`, in folders or tars."""
    path: str = Field(min_length=1)
    """Address of a folder of pictures or tars, of one tar, or a glob."""
    license: str = "LicenseRef-SA-1B"
    """Licence of every picture; SA-1B has one of its own, for research."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Sa1b(self.path, license=self.license, credit=self.credit)


PICTURES = (".jpg", ".jpeg", ".png")
ANNOTATION = ".json"


class _Files(NamedTuple):
    """The pictures and annotations of one folder or tar: addresses relative to `base`, by name without extension."""

    base: str
    where: str
    pictures: dict[str, str]
    annotations: dict[str, str]


class Sa1b:
    """One record for each picture. Its id is the name without extension, such as `sa_223750`."""

    writes = (*(name for name in FIELDS if name != "objects"), "annotation")

    def __init__(self, path: str, *, license: str, credit: str) -> None:
        self.path = path
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no picture and no tar."""
        FileListing(self.path).check_scheme()
        if scheme_of(self.path) == "file" and next(self._groups(), None) is None:
            raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no pictures {'/'.join(PICTURES)}, and no tars of them"

    def count(self) -> int | None:
        """None: it is unknown without reading all tars."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The pictures of each folder by name, then those of each of its tars."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        for group in self._groups():
            if isinstance(group, SourceRow):
                yield group
            else:
                for name in sorted({*group.pictures, *group.annotations}):
                    yield self._row(group, name)

    def _row(self, group: _Files, name: str) -> SourceRow:
        where = f"{group.where}: '{name:.200}'"
        if name not in group.pictures or name not in group.annotations:
            lacking = ANNOTATION if name in group.pictures else "/".join(PICTURES)
            return faulty_row(escape_id(name), f"{where} has no {lacking} beside it")
        data = {"id": name, "uri": group.pictures[name], **self._default}
        row = validate_row(data, base=group.base, where=where, name=escape_id(name))
        if row.error:
            return row
        fields = {**row.fields, "annotation": group.annotations[name]}
        del fields["objects"]
        return row._replace(fields=fields)

    def _groups(self) -> Iterator[_Files | SourceRow]:
        """The files of each folder and of each tar; a damaged tar adds a failed row."""
        listing = FileListing(self.path)
        if has_braces(self.path) or listing.is_file():
            for tar in tars_at(self.path):
                yield from _in_tar(tar)
            return
        for folder in listing.folders():
            found = _Files(listing.base, f"{listing.base}{folder.path}", {}, {})
            for name in folder.files:
                _put(found, name, f"{folder.path}{name}")
            if found.pictures:
                yield found
            for name in folder.files:
                if name.lower().endswith(ENDING):
                    yield from _in_tar(Tar(listing, f"{folder.path}{name}"))


def _put(found: _Files, name: str, address: str) -> None:
    """Add a file to `found`, if it is a picture or an annotation."""
    stem, dot, ending = name.rpartition(".")
    kind = f"{dot}{ending.lower()}"
    if kind in PICTURES:
        found.pictures[stem] = address
    elif kind == ANNOTATION:
        found.annotations[stem] = address


def _in_tar(tar: Tar) -> Iterator[_Files | SourceRow]:
    found = _Files(tar.listing.base, tar.address, {}, {})
    faults = []
    with tar.listing.open(tar.path) as file:
        for number, member in enumerate(read_members(file)):
            if member.error:
                faults.append(faulty_row(f"%{tar.path}:{number}", f"{tar.address}: {member.error}"))
                continue
            name = member.name.rpartition("/")[2]
            if not name.startswith("."):
                _put(found, name, range_address(tar.path, offset=member.offset, size=member.size))
    yield found
    yield from faults
