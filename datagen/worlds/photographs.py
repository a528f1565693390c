"""The photographs that worlds are made of, their split, and the outlines of objects in them.

`photographs.toml` beside this module lists those that come with datagen's own dependencies. A folder of a user's may
hold a `photographs.toml` of the same form; without one, a hash of a file's name decides its split (`split_of`).
"""

from __future__ import annotations

import hashlib
import io
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image as Pillow
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from datagen.core.errors import ConfigError, DataError
from datagen.core.options import Options
from datagen.fetch import SCHEMES, read_file
from datagen.imaging.image import Image, Pixels

Split = Literal["tuned", "held_out"]
LIST = "photographs.toml"
LARGEST_LIST = 4_000_000
LARGEST_FILE = 200_000_000
LONG_SIDE = 1536
"""Pixels to which a larger photograph is reduced as it is read; a world needs no more."""
LEAST_SIDE = 64
"""Pixels of the short side of a photograph that may be a background."""


class Outline(Options):
    """An object in a photograph, by its outline: polygons in pixels of the file, x right, y down."""

    label: str = Field(min_length=1, max_length=100)
    """What it is called."""
    polygons: tuple[Annotated[tuple[tuple[float, float], ...], Field(min_length=3)], ...] = Field(min_length=1)
    """Corners of its parts."""


class Photograph(Options):
    """One photograph of a list."""

    name: str = Field(min_length=1, max_length=1000)
    """What records call it."""
    uri: str = Field(min_length=1)
    """Its address; a relative one counts from the list's folder."""
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Checksum of the file, '' to take any."""
    license: str = ""
    """An SPDX name where there is one; a photograph of datagen's own list that has none is not used."""
    credit: str = ""
    """Who made it."""
    split: Split
    """Whether it may be tuned on, or is held out."""
    background: bool = True
    """Whether it may be a background."""
    grey: bool = False
    """Whether it has no colours."""
    object: tuple[Outline, ...] = ()
    """Objects that may be cut out."""


class Photographs(Options):
    """A list of photographs."""

    photograph: tuple[Photograph, ...]
    """The photographs, whose names differ."""

    def backgrounds(self, split: Split) -> tuple[Photograph, ...]:
        """Those of a split that may be a background."""
        return tuple(photo for photo in self.photograph if photo.background and photo.split == split)

    def with_objects(self, split: Split) -> tuple[Photograph, ...]:
        """Those of a split that have outlines."""
        return tuple(photo for photo in self.photograph if photo.object and photo.split == split)


_LIST = TypeAdapter(Photographs)


@lru_cache(maxsize=1)
def own_photographs() -> Photographs:
    """The photographs that every install of datagen has."""
    return parse_photographs(Path(__file__).with_name(LIST).read_bytes(), where=LIST)


def parse_photographs(data: bytes, *, where: str) -> Photographs:
    """A list of photographs. Raises `ConfigError` that names the place and the fault."""
    try:
        found = _LIST.validate_python(_tupled(tomllib.loads(data.decode())))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{where}: is no TOML: {error}") from error
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5])
        raise ConfigError(f"{where}: {'; '.join(faults)}") from error
    names = [photo.name for photo in found.photograph]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where}: two photographs are called '{name}'; give one another name")
    return found


def _tupled(value: Any) -> Any:
    """Lists as tuples at any depth: what pydantic freezes stays hashable."""
    if isinstance(value, dict):
        return {key: _tupled(item) for key, item in value.items()}
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def split_of(name: str) -> Split:
    """The split of a photograph that no list names: held out if the first bit of its name's SHA-256 is set."""
    return "held_out" if hashlib.sha256(name.encode()).digest()[0] & 128 else "tuned"


@lru_cache(maxsize=24)
def photograph_pixels(uri: str, *, base: str = "", sha256: str = "") -> tuple[Pixels, float]:
    """The pixels of a photograph, read-only, and how far it was reduced (0 to 1, 1 if it was not).

    A relative address counts from the folder `base`. Raises `DataError` if it cannot be read, has another checksum, or
    has a side under `LEAST_SIDE`.
    """
    try:
        data = read_file(uri, base=base, schemes=SCHEMES, max_bytes=LARGEST_FILE)
        found = hashlib.sha256(data).hexdigest()
        if sha256 not in ("", found):
            raise DataError(f"its checksum is {found}, the list says {sha256}")
        pixels = _array_of(data) if uri.endswith(".npz") else Image.decode(data).array
    except DataError as error:
        raise DataError(f"{uri:.300}: {error}") from error
    if min(pixels.shape[:2]) < LEAST_SIDE:
        raise DataError(f"{uri:.300}: is {pixels.shape[1]}x{pixels.shape[0]}; a side of {LEAST_SIDE} is the least")
    scale = min(1.0, LONG_SIDE / max(pixels.shape[:2]))
    if scale < 1:
        size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
        pixels = np.asarray(Pillow.fromarray(pixels).resize(size, Pillow.Resampling.BOX))
    pixels.setflags(write=False)
    return pixels, scale


def _array_of(data: bytes) -> Pixels:
    """A grey picture that numpy saved as `data`, as RGB."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            grey_HW = np.asarray(arrays["data"])
        if grey_HW.ndim != 2:
            raise ValueError(f"its array has the shape {grey_HW.shape}")
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"holds no grey picture called 'data': {error}") from error
    return np.repeat(grey_HW.astype(np.uint8)[..., None], 3, axis=-1)
