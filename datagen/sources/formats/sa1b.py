"""SA-1B: pictures `sa_1.jpg`, each with its masks in `sa_1.json`, in folders or in the tars that are downloaded.

The layout is that of segment-anything's README, section Dataset. The masks of
a picture are some 100 kB, so the driver reads none: a record carries the
address of its JSON file, and the stage `read_annotations` reads that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from datagen.core.errors import ConfigError
from datagen.fetch import scheme_of
from datagen.fetch.addresses import bytes_of
from datagen.sources.base import SourceRow, escaped
from datagen.sources.file_listing import Place
from datagen.sources.id_set import once
from datagen.sources.rows import FIELDS, checked, faulty
from datagen.sources.tars import ENDING, Tar, has_braces, members_of, tars_at

PICTURES = (".jpg", ".jpeg", ".png")
ANNOTATION = ".json"


class _Files(NamedTuple):
    """The pictures and annotations of one folder or tar: addresses from `base` by the name without its ending."""

    base: str
    where: str
    pictures: dict[str, str]
    annotations: dict[str, str]


class Sa1b:
    """One record a picture; its id is its name, such as `sa_223750`."""

    writes = (*(name for name in FIELDS if name != "objects"), "annotation")

    def __init__(self, path: str, *, license: str, credit: str) -> None:
        self.path = path
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if there is no local picture or tar."""
        Place(self.path).check_scheme()
        if scheme_of(self.path) == "file" and next(self._some(), None) is None:
            raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no pictures {'/'.join(PICTURES)}, and no tars of them"

    def count(self) -> int | None:
        """Not known without reading all tars."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """Pictures of each folder by name, then of each of its tars."""
        yield from once(self._all(), place=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        for some in self._some():
            if isinstance(some, SourceRow):
                yield some
            else:
                for name in sorted({*some.pictures, *some.annotations}):
                    yield self._row(some, name)

    def _row(self, some: _Files, name: str) -> SourceRow:
        where = f"{some.where}: '{name:.200}'"
        if name not in some.pictures or name not in some.annotations:
            lacking = ANNOTATION if name in some.pictures else "/".join(PICTURES)
            return faulty(escaped(name), f"{where} has no {lacking} beside it")
        data = {"id": name, "uri": some.pictures[name], **self._default}
        row = checked(data, base=some.base, where=where, name=escaped(name))
        if row.error:
            return row
        fields = {**row.fields, "annotation": some.annotations[name]}
        del fields["objects"]
        return row._replace(fields=fields)

    def _some(self) -> Iterator[_Files | SourceRow]:
        """The files of each folder and of each tar; a tar that is not whole adds a row that says so."""
        place = Place(self.path)
        if has_braces(self.path) or place.is_file():
            for tar in tars_at(self.path):
                yield from _in_tar(tar)
            return
        for folder in place.folders():
            found = _Files(place.base, f"{place.base}{folder.path}", {}, {})
            for name in folder.files:
                _put(found, name, f"{folder.path}{name}")
            if found.pictures:
                yield found
            for name in folder.files:
                if name.lower().endswith(ENDING):
                    yield from _in_tar(Tar(place, f"{folder.path}{name}"))


def _put(found: _Files, name: str, address: str) -> None:
    """Note a file, if it is a picture or an annotation."""
    stem, dot, ending = name.rpartition(".")
    kind = f"{dot}{ending.lower()}"
    if kind in PICTURES:
        found.pictures[stem] = address
    elif kind == ANNOTATION:
        found.annotations[stem] = address


def _in_tar(tar: Tar) -> Iterator[_Files | SourceRow]:
    found = _Files(tar.place.base, tar.address, {}, {})
    faults = []
    with tar.place.open(tar.path) as file:
        for number, member in enumerate(members_of(file)):
            if member.error:
                faults.append(faulty(f"%{tar.path}:{number}", f"{tar.address}: {member.error}"))
                continue
            name = member.name.rpartition("/")[2]
            if not name.startswith("."):
                _put(found, name, bytes_of(tar.path, offset=member.offset, size=member.size))
    yield found
    yield from faults
