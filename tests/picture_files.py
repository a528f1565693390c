"""Picture files made by hand, byte by byte where no library writes them, so that their pixels are known."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms

P3_TO_XYZ = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB_TO_XYZ = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
"""Columns are the primaries as XYZ under D50."""
GAMMA = 563 / 256
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Random RGB pixels, HWC."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Pixels that survive lossy codecs: red grows to the right, green downwards."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns * 255 // width, rows * 255 // height, np.full_like(rows, 90)], -1).astype(np.uint8)


def saved(picture: Pillow.Image | NDArray[Any], format: str, **options: Any) -> bytes:
    """A picture as Pillow writes it."""
    file = io.BytesIO()
    (picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)).save(file, format, **options)
    return file.getvalue()


def png(pixels: NDArray[Any], *, kind: int, bits: int = 8, chunks: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """A PNG of colour type `kind`, `pixels` HW or HWC; below 8 bits a row is packed."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    if bits == 16:
        packed = [row.astype(">u2").tobytes() for row in rows]
    elif bits == 8:
        packed = [row.astype(np.uint8).tobytes() for row in rows]
    else:
        split = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        packed = [np.packbits(row.reshape(-1)).tobytes() for row in split.astype(np.uint8)]
    data = zlib.compress(b"".join(b"\0" + row for row in packed))
    return png_of(header(width, height, bits, kind), *chunks, (b"IDAT", data))


def header(width: int, height: int, bits: int = 8, kind: int = 2) -> tuple[bytes, bytes]:
    """A PNG's first chunk."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks and its end."""
    lines = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (*chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(lines)


def rgb_profile(to_xyz: NDArray[np.float64], *, name: str) -> bytes:
    """An ICC profile of three primaries and the tone curve `GAMMA`."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(GAMMA * 256)) + bytes(2)
    tags = {f"{colour}XYZ".encode(): _xyz(to_xyz[:, index]) for index, colour in enumerate("rgb")}
    tags |= {f"{colour}TRC".encode(): curve for colour in "rgb"}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags, name)


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey levels."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve}, "grey")


def ink_profile() -> bytes:
    """An ICC profile of an odd CMYK press: cyan halves the lightness, black ends it, the rest is invisible."""
    corners = [(cyan, black) for cyan in (0, 1) for _ in range(4) for black in (0, 1)]
    grid = [[int(100 * (1 - black) * (1 - cyan / 2) * 652.8), 0x8000, 0x8000] for cyan, black in corners]
    ramp = struct.pack(">HH", 0, 0xFFFF)
    matrix = struct.pack(">9i", *(65536 * (n % 4 == 0) for n in range(9)))
    table = b"mft2" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + struct.pack(">HH", 2, 2)
    table += ramp * 4 + np.array(grid, ">u2").tobytes() + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table}, "ink")


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes], name: str) -> bytes:
    found = name.encode() + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(found)) + found + bytes(4 + 4 + 2 + 1 + 67)
    white = np.array([0.9642, 1.0, 0.8249])
    tags = {b"desc": described, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": _xyz(white), **tags}
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        data += bytes(-len(data) % 4)
        table += tag + struct.pack(">II", offset + len(body), len(data))
        body += data
    front = struct.pack(">I4sI4s4s4s", offset + len(body), b"", 0x02400000, kind, space, pcs)
    front += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    return front + _xyz(white)[8:] + bytes(128 - len(front) - 12) + table + body
