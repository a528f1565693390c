"""Writes samples as tar blocks: USTAR with fixed owner and time, so that equal samples give equal bytes."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable
from typing import IO, NamedTuple

from datagen.shards.sample import StoredSample


class Placed(NamedTuple):
    """The position of a sample in a part."""

    key: str
    offset: int
    size: int
    """Bytes of all its tar blocks, which are contiguous from `offset`."""
    members: dict[str, tuple[int, int]]
    """Offset of each member's data in the part, and its size, in bytes."""
    content: str
    sha256: str
    """Of those blocks; packing checks it when it copies them."""


def write_part(file: IO[bytes], samples: Iterable[StoredSample]) -> list[Placed]:
    """Write samples as one tar, in their order; the members of a sample are sorted by name."""
    placed = []
    offset = 0
    for sample in samples:
        place = _write_sample(file, sample, offset)
        placed.append(place)
        offset += place.size
    file.write(ending(offset))
    return placed


def ending(size: int) -> bytes:
    """The end of a tar of `size` bytes: two zero blocks, and zeros up to a full tar record."""
    closed = size + 2 * tarfile.BLOCKSIZE
    return bytes(2 * tarfile.BLOCKSIZE + -closed % tarfile.RECORDSIZE)


def _write_sample(file: IO[bytes], sample: StoredSample, start: int) -> Placed:
    members = {}
    end = start
    digest = hashlib.sha256()
    for name, data in sorted(sample.members.items()):
        padding = -len(data) % tarfile.BLOCKSIZE
        for block in (_header(f"{sample.key}.{name}", len(data)), data, bytes(padding)):
            file.write(block)
            digest.update(block)
        members[name] = (end + tarfile.BLOCKSIZE, len(data))
        end += tarfile.BLOCKSIZE + len(data) + padding
    return Placed(sample.key, start, end - start, members, sample.content, digest.hexdigest())


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    # USTAR and `strict`: a name that does not fit raises, and needs no extra header entry
    return entry.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
