"""WebDataset tars, datagen's own among them: files that share a key are one sample.

The key is the path up to the first dot of the name, what follows is the
member's extension, as `webdataset/tariterators.py` has it. The driver reads
headers and texts; pictures are addressed by byte range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

from datagen.core.errors import ConfigError, nearest
from datagen.fetch import scheme_of
from datagen.fetch.addresses import bytes_of
from datagen.sources.base import SourceRow, escaped
from datagen.sources.file_listing import Place
from datagen.sources.id_set import once
from datagen.sources.manifest import document
from datagen.sources.rows import FIELDS, checked, faulty
from datagen.sources.sidecars import from_mapping, from_text
from datagen.sources.tars import Member, Tar, members_of, read_member, tars_at

PICTURES = ("jpg", "jpeg", "png", "webp")


class WebDataset:
    """One record a sample; its id is the tar's path and the sample's key."""

    writes = FIELDS

    def __init__(self, path: str, *, image: str, caption: str, sidecar: str, license: str, credit: str) -> None:
        self.path = path
        self._image, self._caption, self._sidecar = image.lower(), caption.lower(), sidecar.lower()
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if there is no local tar, or its first sample has no such member."""
        Place(self.path).check_scheme()
        if scheme_of(self.path) != "file":
            return
        first = next(tars_at(self.path), None)
        if first is None:
            raise ConfigError(self._empty())
        self._check_first(first)

    def _check_first(self, tar: Tar) -> None:
        with tar.place.open(tar.path) as file:
            sample = next((members for key, members, error in _samples(file) if not error), None)
        if sample is not None and self._image and self._image not in sample:
            raise ConfigError(
                f"{tar.address}: its first sample has no member '{self._image}'; {nearest(self._image, sample)}"
            )

    def _empty(self) -> str:
        return f"{self.path}: holds no tars"

    def count(self) -> int | None:
        """Not known without reading all tars."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """Samples, tar by tar."""
        yield from once(self._all(), place=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        for tar in tars_at(self.path):
            with tar.place.open(tar.path) as file:
                for number, (key, members, error) in enumerate(_samples(file)):
                    if error:
                        yield faulty(f"%{tar.path}:{number}", f"{tar.address}: {error}")
                    else:
                        yield self._row(tar, file, key, members)

    def _row(self, tar: Tar, file: IO[bytes], key: str, members: Mapping[str, Member]) -> SourceRow:
        id = f"{tar.path.removesuffix('.tar')}/{key}"
        where = f"{tar.address}: sample '{key:.200}'"
        try:
            extension = self._picture_of(members)
            picture = members[extension]
            uri = bytes_of(tar.path, offset=picture.offset, size=picture.size)
            data: dict[str, Any] = {"id": id, "uri": uri, **self._default}
            if self._caption in members:
                data.update(from_text(read_member(file, members[self._caption])))
            if self._sidecar in members:
                data.update(_from_json(read_member(file, members[self._sidecar]), extension))
        except (ValueError, RecursionError) as error:
            return faulty(escaped(id), f"{where}: {error}")
        return checked(data, base=tar.place.base, where=where, name=escaped(id))

    def _picture_of(self, members: Mapping[str, Member]) -> str:
        """Which member is the picture. Raises `ValueError`."""
        if self._image:
            if self._image not in members:
                raise ValueError(f"has no member '{self._image}'; it has: {_listed(members)}")
            return self._image
        plain = [extension for extension in PICTURES if extension in members]
        found = plain[:1] or [extension for extension in members if extension.rpartition(".")[2] in PICTURES]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"has several pictures: {_listed(found)}; say which by `image`")
        raise ValueError(f"has no picture; it has: {_listed(members)}")


def _listed(members: Any) -> str:
    return ", ".join(f"{name:.60}" for name in list(members)[:20])


def _samples(file: IO[bytes]) -> Iterator[tuple[str, dict[str, Member], str]]:
    """Key, members by extension, and what is wrong, of each sample or faulty member."""
    key: str | None = None
    members: dict[str, Member] = {}
    error = ""
    for member in members_of(file):
        if member.error:
            yield "", {}, member.error
            continue
        folder, _, name = member.name.removeprefix("./").rpartition("/")
        stem, dot, extension = name.partition(".")
        if not stem or not dot or (stem.startswith("__") and stem.endswith("__")):
            continue  # as webdataset does
        found = f"{folder}/{stem}" if folder else stem
        if found != key:
            if key is not None:
                yield key, members, error
            key, members, error = found, {}, ""
        if extension.lower() in members:
            error = f"'{member.name:.200}' is there twice in a row"
        members[extension.lower()] = member
    if key is not None:
        yield key, members, error


def _from_json(data: bytes, image: str) -> dict[str, Any]:
    """What a sample's JSON tells; of datagen's own, the caption and objects of its picture. Raises `ValueError`."""
    found = document(data)
    if not isinstance(found, dict):
        raise ValueError(f"its json holds {type(found).__name__}, not an object")
    if found.get("schema") != 1 or not isinstance(found.get("captions"), dict):
        return from_mapping(found)
    name = image.partition(".")[0]
    told: dict[str, Any] = {"license": found.get("license") or "", "caption": found["captions"].get(name) or ""}
    things = found.get("instances")
    if name == "target" and isinstance(things, list):
        told["objects"] = [_thing(thing) for thing in things if isinstance(thing, dict)]
    return {key: value for key, value in told.items() if value}


def _thing(thing: Mapping[str, Any]) -> dict[str, Any]:
    """An instance without its mask, which is a picture of its own in the tar."""
    return {key: thing[key] for key in ("label", "box", "attributes") if key in thing}
