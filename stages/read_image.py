"""Read the picture file that a record names."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from datagen import Answer, DataError, Failed, Map, Record, StageConfig
from datagen.fetch import SCHEMES, Web, check_host, forget, read_file
from datagen.imaging.image import MAX_PIXELS, PILLOW_LIMIT, DamagedJpeg, Image

_SIDE_BY_SIDE = 8
"""URLs of a batch that are fetched at the same time."""


class ReadImage(Map):
    """Read each record's picture, as 8-bit upright sRGB.

    A record fails if its file is missing, damaged, no picture, too large, not allowed, or has another checksum than the
    source gives.
    """

    reads = ("uri", "base", "sha256")
    writes = ("image", "original_sha256")

    class Config(StageConfig):
        """Limits on what is read."""

        schemes: tuple[str, ...] = SCHEMES
        """Kinds of address that may be read; `http` and `https` are not, unless named here."""
        hosts: tuple[Annotated[str, AfterValidator(check_host)], ...] = ()
        """Web hosts that may be asked: images.example.org, *.example.org, or * for any public one."""
        timeout_s: float = Field(default=60, gt=0, le=3600)
        """Seconds for one try to fetch a URL, from the connection to the last byte."""
        tries: int = Field(default=3, ge=1, le=10)
        """How often a URL is asked for while its server is busy, broken or out of reach."""
        max_bytes: int = Field(default=200_000_000, ge=1)
        """Largest file."""
        max_pixels: int = Field(default=MAX_PIXELS, ge=1, le=PILLOW_LIMIT)
        """Largest picture, as width times height; guards against decompression bombs."""
        damaged_jpeg: DamagedJpeg = "refuse"
        """Whether to read JPEG files of whose data libjpeg-turbo warns, as where bytes in the middle are missing."""

        @model_validator(mode="after")
        def _hosts_are_named(self) -> Self:
            web = [scheme for scheme in ("http", "https") if scheme in self.schemes]
            if web and not self.hosts:
                raise ValueError(f"`schemes` allows {' and '.join(web)}; say from where, such as hosts: [example.org]")
            if self.hosts and not web:
                raise ValueError("`hosts` is given, but `schemes` allows neither http nor https; add one")
            return self

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Read and decode each file. URLs are fetched in parallel, because fetching is mostly waiting for a server."""
        if self.config.hosts:
            with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
                read = list(pool.map(self._read, batch))
        else:
            read = [self._read(record) for record in batch]
        return [self._decoded(record, data) for record, data in zip(batch, read, strict=True)]

    def _read(self, record: Record) -> bytes | DataError:
        config = self.config
        web = Web(config.hosts, config.timeout_s, config.tries)
        try:
            return read_file(
                record["uri"],
                base=record["base"],
                schemes=config.schemes,
                max_bytes=config.max_bytes,
                web=web,
                sha256=record["sha256"],
            )
        except DataError as error:
            return error  # not raised, as it would end the other downloads of the batch too

    def _decoded(self, record: Record, data: bytes | DataError) -> Answer:
        uri, expected = record["uri"], record["sha256"]
        try:
            if isinstance(data, DataError):
                raise data
            found = hashlib.sha256(data).hexdigest()
            if expected not in ("", found):
                raise DataError(f"its checksum is {found}, the manifest says {expected}")
            image = Image.decode(data, max_pixels=self.config.max_pixels, damaged_jpeg=self.config.damaged_jpeg)
        except DataError as error:
            # a bad copy in the cache would fail every later run as well
            forget(uri, base=record["base"])
            return Failed(f"{uri:.300}: {error}")
        return {"image": image, "original_sha256": found}
