"""Lists the files in tars with their byte ranges, by which the pictures are read later.

Python's `tarfile` reads the headers. Nothing is unpacked, so no name in a tar becomes a path on disk. Members that
only an attacker or an accident puts into a tar, such as links and paths with `..`, are errors nevertheless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from braceexpand import braceexpand

from datagen.core.errors import ConfigError
from datagen.sources.file_listing import FileListing, split_address

if TYPE_CHECKING:
    import tarfile

ENDING = ".tar"
PICKLED = (".pyd", ".pickle", ".pkl", ".pth", ".pt")
"""Extensions of pickled members, which are never opened: unpickling runs any code in them."""
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""Extensions of compressed tars, which are refused: a byte range of one cannot be decompressed by itself."""
_PACKERS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_BRACES = re.compile(r"\{[^{}]*(,|\.\.)[^{}]*\}")
_MOST_TEXT = 16 * 2**20
"""The largest member that is read as a whole, in bytes."""


class Tar(NamedTuple):
    """One tar: the listing that it is in, and its path there."""

    listing: FileListing
    path: str

    @property
    def address(self) -> str:
        """Its full address."""
        return f"{self.listing.base}{self.path}"


class Member(NamedTuple):
    """A regular file in a tar. `error` says what is wrong with it, or with the rest of the tar."""

    name: str
    offset: int
    size: int
    error: str = ""


def has_braces(address: str) -> bool:
    """Whether an address has braces that stand for several addresses, such as `{00..17}` or `{a,b}`."""
    return bool(_BRACES.search(address))


def tars_at(address: str) -> Iterator[Tar]:
    """The tars at an address, in order: one tar, all in a folder, or those of a glob or of braces such as `{00..17}`.

    Raises `ConfigError` if nothing is there.
    """
    try:
        for one in braceexpand(address) if has_braces(address) else (address,):
            yield from _tars_at(one)
    except ValueError as error:
        raise ConfigError(f"{address}: its braces do not fit: {error}") from error


def _tars_at(address: str) -> Iterator[Tar]:
    listing = FileListing(address)
    listing.check_scheme()
    if listing.is_file():
        yield Tar(*split_address(address))
        return
    for folder in listing.folders():
        for name in folder.files:
            if name.lower().endswith((ENDING, *PACKED)):
                yield Tar(listing, f"{folder.path}{name}")


def read_members(file: IO[bytes]) -> Iterator[Member]:
    """The files of an open tar, in order. If the tar is damaged, the last member only has the `error`."""
    import tarfile

    head = file.read(6)
    packed = next((name for start, name in _PACKERS.items() if head.startswith(start)), None)
    if packed is not None:
        error = f"is packed with {packed}; pictures are read by byte range, which plain tars allow: unpack it once"
        yield Member("", 0, 0, error)
        return
    file.seek(0)
    name = ""
    try:
        with tarfile.open(fileobj=file, mode="r:") as opened:
            while (info := opened.next()) is not None:
                opened.members = []  # type: ignore[attr-defined] # `tarfile` stores all members, maybe millions
                name = info.name
                if not info.isdir():
                    yield Member(name, info.offset_data, info.size, _fault(info))
            end = opened.offset
        yield from _check_end(file, end, name)
    except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError, EOFError, RecursionError) as error:
        after = f" after '{name:.200}'" if name else ""
        yield Member("", 0, 0, f"cannot be read{after}: {error or type(error).__name__}")


def _check_end(file: IO[bytes], end: int, last: str) -> Iterator[Member]:
    """An error if the tar does not end properly behind its last member: `tarfile` takes anything for the end."""
    import tarfile

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
        kind = next((name for name, holds in kinds.items() if holds), "is a device, pipe or the like")
        return f"{where} {kind}; it is not followed"
    if info.name.startswith("/") or ".." in info.name.split("/"):
        return f"{where} has a name that leads out of the tar"
    return ""


def read_member(file: IO[bytes], member: Member) -> bytes:
    """All bytes of a small member; the position of `file` stays. Raises `ValueError` if it is too large, or cut off."""
    if member.size > _MOST_TEXT:
        raise ValueError(f"'{member.name:.200}' is larger than {_MOST_TEXT:,} bytes")
    before = file.tell()
    file.seek(member.offset)
    data: Any = file.read(member.size)
    file.seek(before)
    if len(data) != member.size:
        raise ValueError(f"'{member.name:.200}' is cut off")
    return bytes(data)
