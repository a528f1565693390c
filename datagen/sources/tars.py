"""The files in tars, by their places in them: pictures are read later, by byte range.

Headers are read by Python's `tarfile`. Nothing is ever unpacked, so no name in
a tar becomes a path on disk; members that only an attacker, or an accident,
would put there are faults all the same.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from braceexpand import braceexpand

from datagen.core.errors import ConfigError
from datagen.sources.file_listing import Place, one_folder

ENDING = ".tar"
PICKLED = (".pyd", ".pickle", ".pkl", ".pth", ".pt")
"""Members that only unpickling could read, which runs whatever they hold: never opened."""
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""Names of packed tars, which are refused: a byte range of one is nothing by itself."""
_PACKERS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_BRACES = re.compile(r"\{[^{}]*(,|\.\.)[^{}]*\}")
_MOST_TEXT = 16 * 2**20
"""Bytes of a member that is read at once."""


class Tar(NamedTuple):
    """One tar, by its place and its path there."""

    place: Place
    path: str

    @property
    def address(self) -> str:
        """Its whole address."""
        return f"{self.place.base}{self.path}"


class Member(NamedTuple):
    """A regular file in a tar; with an `error`, what is wrong with it, or with all that would follow."""

    name: str
    offset: int
    size: int
    error: str = ""


def has_braces(address: str) -> bool:
    """Whether an address stands for several, as `{00..17}` or `{a,b}` do."""
    return bool(_BRACES.search(address))


def tars_at(address: str) -> Iterator[Tar]:
    """The tars that an address means: one, all in a folder, those of a glob, or of braces such as `{00..17}`, in order.

    Raises `ConfigError` if there is nothing.
    """
    try:
        for one in braceexpand(address) if has_braces(address) else (address,):
            yield from _tars_at(one)
    except ValueError as error:
        raise ConfigError(f"{address}: its braces do not fit: {error}") from error


def _tars_at(address: str) -> Iterator[Tar]:
    place = Place(address)
    place.check_scheme()
    if place.is_file():
        yield Tar(*one_folder(address))
        return
    for folder in place.folders():
        for name in folder.files:
            if name.lower().endswith((ENDING, *PACKED)):
                yield Tar(place, f"{folder.path}{name}")


def members_of(file: IO[bytes]) -> Iterator[Member]:
    """The files of an open tar, in order; the last one tells why there are no more, if the tar is not whole."""
    head = file.read(6)
    packed = next((name for start, name in _PACKERS.items() if head.startswith(start)), None)
    if packed is not None:
        told = f"is packed with {packed}; pictures are read by byte range, which plain tars allow: unpack it once"
        yield Member("", 0, 0, told)
        return
    file.seek(0)
    name = ""
    try:
        with tarfile.open(fileobj=file, mode="r:") as opened:
            while (info := opened.next()) is not None:
                opened.members = []  # type: ignore[attr-defined] # else it remembers every one
                name = info.name
                if not info.isdir():
                    yield Member(name, info.offset_data, info.size, _fault(info))
            end = opened.offset
        yield from _if_odd(file, end, name)
    except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError, EOFError, RecursionError) as error:
        after = f" after '{name:.200}'" if name else ""
        yield Member("", 0, 0, f"cannot be read{after}: {error or type(error).__name__}")


def _if_odd(file: IO[bytes], end: int, last: str) -> Iterator[Member]:
    """A fault if what follows the last member is no end of a tar; `tarfile` takes anything for its end."""
    file.seek(end)
    block = file.read(tarfile.BLOCKSIZE)
    if 0 < len(block) < tarfile.BLOCKSIZE:
        yield Member("", 0, 0, f"is cut off at byte {end + len(block)}, after '{last:.200}'")
    elif block.strip(b"\0"):
        yield Member("", 0, 0, f"holds what is no tar from byte {end} on, after '{last:.200}'")
    elif end == 0 and not block:
        yield Member("", 0, 0, "is empty")


def _fault(info: tarfile.TarInfo) -> str:
    where = f"the member '{info.name:.200}' at byte {info.offset}"
    if not info.isreg() or info.issparse():
        kinds = {
            "is a symbolic link": info.issym(),
            "is a hard link": info.islnk(),
            "is a sparse file": info.issparse(),
        }
        kind = next((told for told, holds in kinds.items() if holds), "is a device, pipe or the like")
        return f"{where} {kind}; it is not followed"
    if info.name.startswith("/") or ".." in info.name.split("/"):
        return f"{where} has a name that leads out of the tar"
    return ""


def read_member(file: IO[bytes], member: Member) -> bytes:
    """A small member as a whole. Raises `ValueError` if it is large, or cut."""
    if member.size > _MOST_TEXT:
        raise ValueError(f"'{member.name:.200}' is larger than {_MOST_TEXT:,} bytes")
    before = file.tell()
    file.seek(member.offset)
    data: Any = file.read(member.size)
    file.seek(before)
    if len(data) != member.size:
        raise ValueError(f"'{member.name:.200}' is cut off")
    return bytes(data)
