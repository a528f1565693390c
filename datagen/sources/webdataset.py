"""The source `webdataset`: tars in which the files with the same key are one sample, such as datagen's own shards.

The key is the path up to the first dot of the file name, and the rest is the extension, as in
`webdataset/tariterators.py`. The driver reads headers and texts; a record addresses its picture by byte range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from datagen.core.errors import ConfigError, nearest
from datagen.core.sample_rows import SCHEMAS
from datagen.fetch import scheme_of
from datagen.fetch.addresses import range_address
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing
from datagen.sources.id_set import with_unique_ids
from datagen.sources.manifest import parse_json
from datagen.sources.rows import FIELDS, faulty_row, validate_row
from datagen.sources.sidecars import known_keys, parse_text_sidecar
from datagen.sources.tars import PICKLED, Member, Tar, read_member, read_members, tars_at


def _plain(extension: str) -> str:
    if f".{extension.lower()}".endswith(PICKLED):
        raise ValueError("what was pickled is never opened, as that runs whatever it holds")
    if extension.startswith("."):
        raise ValueError("write it without the dot in front")
    return extension


_Extension = Annotated[str, AfterValidator(_plain)]


class WebDatasetConfig(ForeignOptions):
    """WebDataset tars, datagen's own among them."""

    kind: Literal["webdataset"] = "webdataset"
    """Files that share a name up to its first dot are one sample."""
    path: str = Field(min_length=1)
    """Address of a tar, of a folder of tars, a glob, or braces, such as shards/train-{000000..000017}.tar."""
    image: _Extension = ""
    """Extension of the picture, such as jpg or target.png; if not given, the one picture that a sample has."""
    caption: _Extension = "txt"
    """Extension of the caption."""
    sidecar: _Extension = "json"
    """Extension of the JSON file with caption, license, credit, session and objects, where there is one."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return WebDataset(
            self.path,
            image=self.image,
            caption=self.caption,
            sidecar=self.sidecar,
            license=self.license,
            credit=self.credit,
        )


PICTURES = ("jpg", "jpeg", "png", "webp")


class WebDataset:
    """One record for each sample. Its id is the path of the tar and the key of the sample."""

    writes = FIELDS

    def __init__(self, path: str, *, image: str, caption: str, sidecar: str, license: str, credit: str) -> None:
        self.path = path
        self._image, self._caption, self._sidecar = image.lower(), caption.lower(), sidecar.lower()
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no tar, or if its first sample lacks the member of the picture."""
        FileListing(self.path).check_scheme()
        if scheme_of(self.path) != "file":
            return
        first = next(tars_at(self.path), None)
        if first is None:
            raise ConfigError(self._empty())
        self._check_first(first)

    def _check_first(self, tar: Tar) -> None:
        with tar.listing.open(tar.path) as file:
            sample = next((members for key, members, error in read_samples(file) if not error), None)
        if sample is not None and self._image and self._image not in sample:
            raise ConfigError(
                f"{tar.address}: its first sample has no member '{self._image}'; {nearest(self._image, sample)}"
            )

    def _empty(self) -> str:
        return f"{self.path}: holds no tars"

    def count(self) -> int | None:
        """None: it is unknown without reading all tars."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The samples, tar by tar."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        return rows_of_samples(self.path, lambda *sample: [self._row(*sample)])

    def _row(self, tar: Tar, file: IO[bytes], key: str, members: Mapping[str, Member]) -> SourceRow:
        id = f"{tar.path.removesuffix('.tar')}/{key}"
        where = f"{tar.address}: sample '{key:.200}'"
        try:
            extension = self._picture_of(members)
            picture = members[extension]
            uri = range_address(tar.path, offset=picture.offset, size=picture.size)
            data: dict[str, Any] = {"id": id, "uri": uri, **self._default}
            if self._caption in members:
                data.update(parse_text_sidecar(read_member(file, members[self._caption])))
            if self._sidecar in members:
                data.update(_from_json(read_member(file, members[self._sidecar]), extension))
        except (ValueError, RecursionError) as error:
            return faulty_row(escape_id(id), f"{where}: {error}")
        return validate_row(data, base=tar.listing.base, where=where, name=escape_id(id))

    def _picture_of(self, members: Mapping[str, Member]) -> str:
        """The extension of the member that is the picture. Raises `ValueError` if there is none, or several."""
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


RowsOfSample = Callable[[Tar, IO[bytes], str, dict[str, Member]], Iterable[SourceRow]]
"""The rows of one sample, from its tar, the open tar, its key and its members."""


def rows_of_samples(path: str, rows_of: RowsOfSample) -> Iterator[SourceRow]:
    """The rows of all samples in the tars at a path, in their order; a faulty row for what cannot be read as one."""
    for tar in tars_at(path):
        with tar.listing.open(tar.path) as file:
            for number, (key, members, error) in enumerate(read_samples(file)):
                if error:
                    yield faulty_row(f"%{tar.path}:{number}", f"{tar.address}: {error}")
                else:
                    yield from rows_of(tar, file, key, members)


def read_samples(file: IO[bytes]) -> Iterator[tuple[str, dict[str, Member], str]]:
    """Key, members by extension, and error of each sample or faulty member."""
    key: str | None = None
    members: dict[str, Member] = {}
    error = ""
    for member in read_members(file):
        if member.error:
            yield "", {}, member.error
            continue
        folder, _, name = member.name.removeprefix("./").rpartition("/")
        stem, dot, extension = name.partition(".")
        if not stem or not dot or (stem.startswith("__") and stem.endswith("__")):
            continue  # webdataset skips these too
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
    """The annotations in a sample's JSON; for one of datagen, the caption and objects of its picture.

    `image` is the extension of the picture. Raises `ValueError`.
    """
    found = parse_json(data)
    if not isinstance(found, dict):
        raise ValueError(f"its json holds {type(found).__name__}, not an object")
    if found.get("schema") not in SCHEMAS or not isinstance(found.get("captions"), dict):
        return known_keys(found)
    name = image.partition(".")[0]
    fields: dict[str, Any] = {"license": found.get("license") or "", "caption": found["captions"].get(name) or ""}
    things = found.get("instances")
    if name == "target" and isinstance(things, list):
        fields["objects"] = [_thing(thing) for thing in things if isinstance(thing, dict)]
    return {key: value for key, value in fields.items() if value}


def _thing(thing: Mapping[str, Any]) -> dict[str, Any]:
    """An instance without its mask, which is a separate picture in the tar."""
    return {key: thing[key] for key in ("label", "box", "attributes") if key in thing}
