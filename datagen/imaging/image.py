"""Decode, hold and encode pictures: RGB, uint8, height x width x 3, upright, sRGB, one frame.

Decoding converts every file to this form. The file's own bytes are kept only if they already have it. These bytes
include all metadata, which may name place, camera and author; they are written to a shard only if a config sets
`keep_originals`. Pictures that are encoded from their pixels have no metadata.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, UnidentifiedImageError

from datagen.core.errors import DataError
from datagen.core.fields import Format
from datagen.core.frozen import pixel_digest

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
DamagedJpeg = Literal["refuse", "accept"]
"""What to do with a JPEG file of whose data a part is missing or wrong."""

_FORMATS: dict[str, Format] = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
_READABLE = (*_FORMATS, "BMP", "GIF", "TIFF")
_FAST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)
_ORIENTATION = 0x0112
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""The transposition that makes a picture upright, by its EXIF orientation."""

_SAME_COLOUR = 2
"""Largest difference of a profile's colours from sRGB, in grey levels, at which the profile counts as sRGB."""

MAX_PIXELS = 100_000_000
"""Most pixels of a picture by default."""
LONGEST_SIDE = 1_000_000
"""Longest side in pixels: no PNG reader takes more."""
PILLOW_LIMIT = 178_000_000
"""Largest possible limit of pixels: Pillow opens no larger pictures."""


class Image:
    """An immutable picture, which decodes its bytes at the first access to `array`."""

    __slots__ = ("_array", "_data", "_digest", "_format", "_made", "_size")

    def __init__(self, *, array: Pixels | None, data: bytes | None, format: Format, size: tuple[int, int]) -> None:
        self._array = None if array is None else unchangeable(array)
        self._data = data
        self._made = data is None
        self._digest: int | None = None
        self._format = format
        self._size = size

    @property
    def format(self) -> Format:
        """The format of `encoded()`."""
        return self._format

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._size

    @classmethod
    def of(cls, array: Pixels) -> Image:
        """A picture from pixels, HWC uint8 RGB; it is stored losslessly by default. Raises `DataError`."""
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
            raise DataError(f"a picture is HWC uint8 RGB, this array is {array.dtype} {array.shape}")
        return cls(array=array, data=None, format="png", size=(array.shape[1], array.shape[0]))

    @classmethod
    def decode(cls, data: bytes, *, max_pixels: int = MAX_PIXELS, damaged_jpeg: DamagedJpeg = "accept") -> Image:
        """The picture in a file's bytes.

        It is rotated by EXIF and converted to sRGB by its ICC profile (PNG's gAMA and cHRM are ignored). Of several
        frames the first is taken, of 16 bits the upper 8; transparency becomes white. Damaged EXIF and profiles are
        ignored. Raises `DataError` if the file is no picture, is truncated, has more than `max_pixels` (at most
        `PILLOW_LIMIT`), or has 32-bit values, which have no fixed white. With `damaged_jpeg="refuse"` it is also raised
        if libjpeg-turbo warns of the data of a JPEG file.
        """
        if not data:
            raise DataError("the file is empty")
        try:
            with _quiet():
                image = _decode(data, max_pixels)
            if damaged_jpeg == "refuse" and data.startswith(_JPEG_START):
                _check_jpeg(data)
            return image
        except (DataError, MemoryError):
            raise
        except Pillow.DecompressionBombError as error:
            raise DataError(f"more pixels than the {max_pixels:,} that are allowed: {error}") from error
        except UnidentifiedImageError as error:
            raise DataError(f"not a picture that can be read ({', '.join(_READABLE)} can)") from error
        except Exception as error:  # Pillow raises many kinds on damaged files
            raise DataError(f"the picture is damaged: {error}") from error

    @classmethod
    def carried(cls, data: bytes) -> Image:
        """The picture from bytes that `encoded()` returned; they are decoded later."""
        with _quiet(), Pillow.open(io.BytesIO(data), formats=list(_FORMATS)) as opened:
            return cls(array=None, data=data, format=_FORMATS[opened.format or ""], size=opened.size)

    @property
    def array(self) -> Pixels:
        """Pixels, HWC uint8 RGB, read-only."""
        if self._array is None:
            assert self._data is not None
            with _quiet(), Pillow.open(io.BytesIO(self._data), formats=list(_FORMATS)) as opened:
                self._array = unchangeable(np.asarray(opened.convert("RGB")))
        if self._digest is None:
            self._digest = pixel_digest(self._array)
        return self._array

    def is_changed(self) -> bool:
        """Whether something wrote into the pixels, as `torch.from_numpy` can; see `pixel_digest`."""
        return self._digest is not None and bool(pixel_digest(self._array) != self._digest)

    def encoded(self) -> bytes:
        """The original bytes if they are kept, else a quickly compressed PNG; `format` names the format."""
        if self._data is None:
            self._data = _encode(self.array, "png", _FAST_PNG)
        return self._data

    def stored(self, format: Format, *, quality: int, keep_original: bool) -> bytes:
        """The bytes for a shard, in `format`.

        Those of `encoded()` if they have this format and come from pixels, or if `keep_original` allows a file's own
        bytes. Otherwise the pixels are encoded anew, so that the bytes have no metadata and depend on pixels only.
        """
        if self.format == format and (keep_original or self._made):
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


def unchangeable(array: NDArray[Any]) -> NDArray[Any]:
    """An array of the same values that nobody can change, nor make writeable again: it lies over `bytes`.

    It is copied unless it is such an array already.
    """
    base: Any = array.base.base if isinstance(array.base, np.ndarray) else array.base
    if type(array) is np.ndarray and isinstance(base, bytes) and array.flags.c_contiguous:
        return array
    plain = np.asarray(array)
    return np.frombuffer(plain.tobytes(), plain.dtype).reshape(plain.shape)


def _encode(array: Pixels, format: Format, parameters: tuple[int, int]) -> bytes:
    done, data = cv2.imencode(f".{format}", cv2.cvtColor(array, cv2.COLOR_RGB2BGR), parameters)
    if not done:
        raise DataError(f"a picture of {array.shape[1]}x{array.shape[0]} cannot be stored as {format}")
    return data.tobytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Pillow's warnings: each is either an error here or harmless, and nobody reads warnings of a worker."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of the upright picture, read from the header only. Raises `DataError`.

    Pillow's warnings are not suppressed here: Python's warning filters are shared by all threads.
    """
    try:
        with Pillow.open(io.BytesIO(data), formats=_READABLE) as opened:
            size, turned = opened.size, _orientation(opened) in _SIDEWAYS
    except Exception as error:  # Pillow's readers raise what they like
        raise DataError("the file is empty" if not data else "not a picture that can be read") from error
    return size[::-1] if turned else size


_SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations of pictures that lie on their side."""


def _decode(data: bytes, max_pixels: int) -> Image:
    with Pillow.open(io.BytesIO(data), formats=_READABLE) as opened:
        _check_size(*opened.size, max_pixels)
        opened.load()
        format = _FORMATS.get(opened.format or "")
        bits = _png_bits(data) if format == "png" else 8
        plain = bits == 8 and _is_plain(opened)
        array = unchangeable(np.asarray(opened if plain else _normalised(opened, bits)))
    size = (array.shape[1], array.shape[0])
    if plain and format:
        return Image(array=array, data=data, format=format, size=size)
    return Image(array=array, data=None, format="png", size=size)


def _check_jpeg(data: bytes) -> None:
    """Raise `DataError` if libjpeg-turbo warns of the data of a JPEG file, which Pillow ignores.

    Missing or wrong bytes shift or discolour all that follows. All data are decoded, but only to an eighth of the size,
    in grey, which adds about half to the time. Not every wrong byte is found: some give other valid data.
    """
    try:
        simplejpeg.decode_jpeg(
            data, colorspace="GRAY", fastdct=True, fastupsample=True, min_height=1, min_width=1, min_factor=8
        )
    except ValueError as error:
        warning = str(error)
        if _JPEG_DAMAGE.match(warning):  # else it is a kind of JPEG that this decoder does not know and Pillow does
            raise DataError(
                f"the picture is damaged: {warning}; to take such files all the same, set `damaged_jpeg: accept`"
            ) from error


_JPEG_START = b"\xff\xd8"
_JPEG_DAMAGE = re.compile(r"Corrupt JPEG data: (?!bad ICC)|Premature end|Inconsistent progression")
"""Warnings of libjpeg about pixels. Others are about markers that say nothing of them, such as an unknown version."""


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise DataError(f"{width}x{height} pixels are more than the {max_pixels:,} that are allowed")
    if max(width, height) > LONGEST_SIDE:
        raise DataError(f"{width}x{height}: no side may be longer than {LONGEST_SIDE:,} pixels")


def _png_bits(data: bytes) -> int:
    """Bits per sample. Raises `DataError` for a PNG without its end, which Pillow accepts and other readers do not."""
    if b"IEND\xaeB`\x82" not in data:
        raise DataError("the picture is damaged: it is truncated")
    return data[24]


def _is_plain(opened: Pillow.Image) -> bool:
    profile = opened.info.get("icc_profile")
    return (
        opened.format in _FORMATS
        and opened.mode == "RGB"
        and _orientation(opened) == 1
        and getattr(opened, "n_frames", 1) == 1
        and "transparency" not in opened.info
        and (not profile or _is_srgb(profile))
    )


def _orientation(opened: Pillow.Image) -> int | None:
    """The EXIF orientation, 1 to 8; 1 if there is none or it is invalid. None if EXIF is damaged.

    A file with damaged EXIF is not kept as it is, since other readers may rotate it differently.
    """
    try:
        turn = opened.getexif().get(_ORIENTATION, 1)
    except Exception:  # of as many kinds as there are ways to be damaged
        return None
    return turn if turn in _TURNS else 1


@lru_cache(maxsize=32)
def _is_srgb(profile: bytes) -> bool:
    """Whether a profile leaves a grid of colours as in sRGB; its own name proves nothing."""
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    found = _by_profile(Pillow.fromarray(colours), profile)
    return found is not None and bool((np.abs(np.asarray(found).astype(int) - colours) <= _SAME_COLOUR).all())


def _normalised(opened: Pillow.Image, bits: int) -> Pillow.Image:
    turn = _TURNS.get(_orientation(opened) or 1)
    picture = opened if turn is None else opened.transpose(turn)
    colours, alpha = _parted(_eight_bit(picture, bits))
    upright = _to_srgb(colours, opened.info.get("icc_profile"))
    if alpha is None:
        return upright
    ground = Pillow.new("RGB", upright.size, "white")
    ground.paste(upright, mask=alpha)
    return ground


def _eight_bit(picture: Pillow.Image, bits: int) -> Pillow.Image:
    """The picture in 8 bits per sample, its transparent colour too. Raises `DataError` for 32-bit samples."""
    if picture.mode in ("F", "I"):
        raise DataError("pictures of 32-bit numbers have no fixed white: save it as 8 or 16 bit")
    clear = picture.info.get("transparency")
    if picture.mode.startswith("I;16"):
        picture = Pillow.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if clear is not None and picture.mode in ("L", "RGB"):
        picture.info["transparency"] = _scaled(clear, bits)
    return picture


def _scaled(clear: Any, bits: int) -> Any:
    """A grey level or colour of a PNG with `bits` per sample, in 8 bits."""
    if isinstance(clear, tuple):
        return tuple(_scaled(level, bits) for level in clear)
    return clear >> 8 if bits == 16 else clear * 255 // (2**bits - 1)


def _parted(picture: Pillow.Image) -> tuple[Pillow.Image, Pillow.Image | None]:
    """The colours in a mode that ICC profiles apply to, and the alpha channel, None if there is none."""
    layer = None
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        layer = picture.convert("RGBA")
    alpha = layer.getchannel("A") if layer else None
    if picture.mode in ("1", "L", "LA"):
        return picture.convert("L"), alpha
    if picture.mode in ("CMYK", "LAB"):
        return picture, alpha
    return (layer or picture).convert("RGB"), alpha


def _to_srgb(picture: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    if picture.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if profile and not (picture.mode == "RGB" and _is_srgb(profile)):
        picture = _by_profile(picture, profile) or picture
    return picture.convert("RGB")


def _by_profile(picture: Pillow.Image, profile: bytes) -> Pillow.Image | None:
    """The picture in sRGB; None if the profile is damaged or is for other modes, such as grey."""
    try:
        return ImageCms.profileToProfile(picture, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
