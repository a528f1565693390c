"""Pictures: RGB, uint8, height x width x 3, upright, sRGB, one frame.

Whatever a file holds is brought to that form once, on decoding. The file's
own bytes are kept only where they already are that form.
"""

from __future__ import annotations

import hashlib
import io
import warnings

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, UnidentifiedImageError

from datagen.errors import DataError
from datagen.fields import Format

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_FORMATS: dict[str, Format] = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
_READABLE = (*_FORMATS, "BMP", "GIF", "TIFF")
_FAST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)
MAX_PIXELS = 100_000_000


class Image:
    """An immutable picture that decodes when its pixels are first asked for."""

    __slots__ = ("_array", "_data", "format", "size")

    def __init__(self, *, array: Pixels | None, data: bytes | None, format: Format, size: tuple[int, int]) -> None:
        self._array = array
        self._data = data
        self.format = format
        self.size = size
        """Width and height."""

    @classmethod
    def of(cls, array: Pixels) -> Image:
        """A picture made here, HWC uint8 RGB; it is stored losslessly unless told otherwise."""
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
            raise DataError(f"a picture is HWC uint8 RGB, this array is {array.dtype} {array.shape}")
        frozen = np.ascontiguousarray(array)
        if frozen is array or frozen.base is not None:
            frozen = frozen.copy()
        frozen.setflags(write=False)
        return cls(array=frozen, data=None, format="png", size=(array.shape[1], array.shape[0]))

    @classmethod
    def decode(cls, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image:
        """The picture in a file's bytes.

        Rotated by EXIF, converted to sRGB, the first frame taken, transparency
        laid on white, 16 bit scaled to 8. Raises `DataError` if it is not a
        picture, is truncated, or has more than `max_pixels`.
        """
        if not data:
            raise DataError("the file is empty")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _decode(data, max_pixels)
        except DataError:
            raise
        except UnidentifiedImageError as error:
            raise DataError(f"not a picture that can be read ({', '.join(_READABLE)} can)") from error
        except Exception as error:  # Pillow raises many kinds on damaged files
            raise DataError(f"the picture is damaged: {error}") from error

    @classmethod
    def carried(cls, data: bytes) -> Image:
        """The picture in bytes that `encoded()` made."""
        with Pillow.open(io.BytesIO(data), formats=list(_FORMATS)) as opened:
            return cls(array=None, data=data, format=_FORMATS[opened.format or ""], size=opened.size)

    @property
    def array(self) -> Pixels:
        """Pixels, HWC uint8 RGB, read-only."""
        if self._array is None:
            assert self._data is not None
            with Pillow.open(io.BytesIO(self._data)) as opened:
                self._array = np.array(opened.convert("RGB"))
            self._array.setflags(write=False)
        return self._array

    def encoded(self) -> bytes:
        """The bytes it came as, or lossless ones made quickly; `format` says which kind."""
        if self._data is None:
            self._data = _encode(self.array, "png", _FAST_PNG)
        return self._data

    def stored(self, format: Format, *, quality: int, keep_original: bool) -> bytes:
        """The bytes for a shard: the original's where they are of `format` and may be kept."""
        if self.format == format and (keep_original or format == "png"):
            return self.encoded()
        if format == "png":
            return _encode(self.array, "png", _FAST_PNG)
        parameter = cv2.IMWRITE_JPEG_QUALITY if format == "jpg" else cv2.IMWRITE_WEBP_QUALITY
        return _encode(self.array, format, (parameter, quality))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and bool(np.array_equal(self.array, other.array))

    def __hash__(self) -> int:
        return hash(hashlib.sha256(self.array.tobytes()).digest())

    def __repr__(self) -> str:
        return f"Image({self.size[0]}x{self.size[1]} {self.format})"


def _encode(array: Pixels, format: Format, parameters: tuple[int, int]) -> bytes:
    done, data = cv2.imencode(f".{format}", cv2.cvtColor(array, cv2.COLOR_RGB2BGR), parameters)
    if not done:
        raise DataError(f"cannot be encoded as {format}")
    return data.tobytes()


def _decode(data: bytes, max_pixels: int) -> Image:
    with Pillow.open(io.BytesIO(data), formats=_READABLE) as opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise DataError(f"{width}x{height} pixels are more than the {max_pixels:,} that are allowed")
        opened.load()
        format = _FORMATS.get(opened.format or "")
        plain = format is not None and _is_plain(opened)
        array = np.array(opened if plain else _normalised(opened))
    array.setflags(write=False)
    size = (array.shape[1], array.shape[0])
    if plain and format:
        return Image(array=array, data=data, format=format, size=size)
    return Image(array=array, data=None, format="png", size=size)


def _is_plain(opened: Pillow.Image) -> bool:
    upright = opened.getexif().get(0x0112, 1) in (0, 1)
    return (
        opened.mode == "RGB"
        and upright
        and getattr(opened, "n_frames", 1) == 1
        and "transparency" not in opened.info
        and _is_srgb(opened.info.get("icc_profile"))
    )


def _is_srgb(profile: bytes | None) -> bool:
    if not profile:
        return True
    try:
        described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError):
        return True  # a broken profile says nothing about the pixels
    return "srgb" in described.lower()


def _normalised(opened: Pillow.Image) -> Pillow.Image:
    picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith(("I;16", "I", "F")):
        picture = _eight_bit(picture)
    profile = opened.info.get("icc_profile")
    if not _is_srgb(profile) and picture.mode in ("RGB", "CMYK", "L"):
        picture = _to_srgb(picture, profile)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        ground = Pillow.new("RGBA", layer.size, "white")
        picture = Pillow.alpha_composite(ground, layer)
    return picture.convert("RGB")


def _eight_bit(picture: Pillow.Image) -> Pillow.Image:
    values = np.asarray(picture).astype(np.float64)
    if picture.mode == "F":
        raise DataError("floating point pictures have no fixed white: save it as 8 or 16 bit")
    return Pillow.fromarray((values / 257).round().clip(0, 255).astype(np.uint8))


def _to_srgb(picture: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    try:
        converted = ImageCms.profileToProfile(
            picture, io.BytesIO(profile or b""), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return picture
    return converted or picture
