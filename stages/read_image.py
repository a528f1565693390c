"""Opens the file that a record names."""

from __future__ import annotations

import hashlib

from pydantic import Field

from datagen import Answer, DataError, Failed, Map, Record, StageConfig
from datagen.fetch import read_file
from datagen.image import MAX_PIXELS, PILLOW_LIMIT, Image


class ReadImage(Map):
    """Read each record's picture and bring it to 8-bit upright sRGB.

    A file that is missing, damaged, no picture, too large, or not the one
    whose checksum the manifest gives fails its record.
    """

    reads = ("uri", "base", "sha256")
    writes = ("image", "original_sha256")

    class Config(StageConfig):
        """Limits on what is read."""

        schemes: tuple[str, ...] = ("file", "package", "s3", "gs", "gcs", "az", "abfs", "hf", "memory")
        """Kinds of address that may be read; `http` and `https` are not, unless named here."""
        max_bytes: int = Field(default=200_000_000, ge=1)
        """Largest file."""
        max_pixels: int = Field(default=MAX_PIXELS, ge=1, le=PILLOW_LIMIT)
        """Largest picture, as width times height; guards against decompression bombs."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Read and decode each file."""
        return [self._read(record) for record in batch]

    def _read(self, record: Record) -> Answer:
        uri = record["uri"]
        try:
            data = read_file(uri, base=record["base"], schemes=self.config.schemes, max_bytes=self.config.max_bytes)
            found = hashlib.sha256(data).hexdigest()
            if record["sha256"] not in ("", found):
                raise DataError(f"its checksum is {found}, the manifest says {record['sha256']}")
            image = Image.decode(data, max_pixels=self.config.max_pixels)
        except DataError as error:
            return Failed(f"{uri:.300}: {error}")
        return {"image": image, "original_sha256": found}
