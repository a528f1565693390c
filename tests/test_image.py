"""Decoding: every kind of file is brought to RGB uint8 HWC, upright, sRGB, one frame, or says what is wrong."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from picture_files import (
    GAMMA,
    P3_TO_XYZ,
    SRGB,
    SRGB_TO_XYZ,
    grey_profile,
    header,
    ink_profile,
    noise,
    png,
    png_of,
    rgb_profile,
    saved,
    smooth,
)
from PIL import Image as Pillow
from PIL import ImageSequence
from rings import example_count

from datagen.core.errors import DataError
from datagen.core.fields import Format
from datagen.imaging.image import MAX_PIXELS, PILLOW_LIMIT, Image

NOISE = noise(9, 13)
SMOOTH = smooth(40, 24)
P3 = rgb_profile(P3_TO_XYZ, name="a wide one")


def is_kept_as_file(data: bytes) -> bool:
    """Whether a file's own bytes are kept."""
    return Image.decode(data).encoded() == data


def pixels(data: bytes) -> NDArray[np.uint8]:
    """What a file holds, which also has to survive its next journey."""
    image = Image.decode(data)
    array = image.array
    assert (array.dtype, array.ndim, array.shape[2]) == (np.uint8, 3, 3)
    assert (array.shape[1], array.shape[0]) == image.size
    assert not array.flags.writeable
    assert np.array_equal(Image.carried(image.encoded()).array, array)
    return array


def fault(data: bytes, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        Image.decode(data, **options)
    return str(caught.value)


# What is unusable


@pytest.mark.parametrize(
    "data",
    [
        saved(SMOOTH, "JPEG"),
        saved(SMOOTH, "JPEG", progressive=True),
        saved(SMOOTH, "PNG"),
        saved(SMOOTH, "WEBP"),
        saved(SMOOTH, "WEBP", lossless=True),
        saved(SMOOTH, "TIFF", compression="tiff_lzw"),
    ],
    ids=["jpeg", "progressive", "png", "webp", "lossless webp", "tiff"],
)
def test_a_truncated_picture_is_damaged_wherever_it_was_cut(data: bytes) -> None:
    assert pixels(data).shape == SMOOTH.shape
    ends = {*range(1, 40), *range(40, len(data), 29), *range(len(data) - 30, len(data))}
    for end in sorted(ends):
        message = fault(data[:end])
        assert message.startswith(("the picture is damaged: ", "not a picture")), message


@pytest.mark.parametrize("format", ["GIF", "BMP"])
def test_half_a_picture_is_damaged(format: str) -> None:
    data = saved(noise(30, 30), format)
    assert "truncated" in fault(data[: len(data) // 2])


def test_an_empty_file_says_so() -> None:
    assert fault(b"") == "the file is empty"


@pytest.mark.parametrize(
    "data",
    [
        b"once upon a time",
        b"<!doctype html><html><body>404</body></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        b"PK\x03\x04" + bytes(60),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        bytes(1000),
        b"\0\0\0\x18ftypheic" + bytes(40),
    ],
    ids=["text", "html", "svg", "pdf", "zip", "eps", "zeros", "heic"],
)
def test_what_is_no_picture_says_which_kinds_are(data: bytes) -> None:
    assert fault(data) == "not a picture that can be read (PNG, JPEG, WEBP, BMP, GIF, TIFF can)"


def test_a_bomb_is_refused_by_the_size_it_declares() -> None:
    bomb = png_of(header(60_000, 60_000), (b"IDAT", zlib.compress(bytes(1000))))
    assert f"more pixels than the {MAX_PIXELS:,} that are allowed" in fault(bomb)
    assert "3600000000" in fault(bomb)
    assert fault(saved(NOISE, "PNG"), max_pixels=100) == "13x9 pixels are more than the 100 that are allowed"
    assert Image.decode(saved(NOISE, "PNG"), max_pixels=117).size == (13, 9)


@pytest.mark.parametrize("chunk", [(b"zTXt", b"note\0\0"), (b"iCCP", b"wide\0\0"), (b"iTXt", b"note\0\1\0\0\0")])
def test_a_bomb_in_a_side_chunk_is_refused(chunk: tuple[bytes, bytes]) -> None:
    name, start = chunk
    bomb = png(NOISE, kind=2, chunks=((name, start + zlib.compress(bytes(80_000_000), 9)),))
    assert "the picture is damaged: Decompressed data too large" in fault(bomb)


def test_large_pictures_that_are_allowed_travel_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", NOISE.size // 3 - 1)
    assert np.array_equal(pixels(saved(NOISE, "PNG")), NOISE)
    assert np.array_equal(Image.carried(saved(NOISE, "PNG")).array, NOISE)


def test_a_picture_longer_than_a_png_can_be_is_refused() -> None:
    line = png_of(header(1_000_001, 1, 1, 0), (b"IDAT", zlib.compress(bytes(125_002))))
    assert fault(line) == "1000001x1: no side may be longer than 1,000,000 pixels"


def test_pillow_opens_what_may_be_allowed() -> None:
    assert Pillow.MAX_IMAGE_PIXELS is not None
    assert PILLOW_LIMIT <= 2 * Pillow.MAX_IMAGE_PIXELS


def test_numbers_without_a_fixed_white_are_refused() -> None:
    for numbers in (np.float32, np.int32):
        message = fault(saved(np.ones((4, 4), numbers), "TIFF"))
        assert message == "pictures of 32-bit numbers have no fixed white: save it as 8 or 16 bit"


# Depth, palette, alpha


def test_plain_pictures_are_kept_to_the_byte() -> None:
    for format in ("PNG", "JPEG", "WEBP"):
        data = saved(SMOOTH, format)
        assert is_kept_as_file(data)
        assert np.array_equal(pixels(data), np.array(Pillow.open(io.BytesIO(data))))
    assert np.array_equal(pixels(saved(NOISE, "PNG")), NOISE)


@pytest.mark.parametrize("format", ["BMP", "TIFF"])
def test_other_formats_are_stored_losslessly(format: str) -> None:
    data = saved(NOISE, format)
    assert np.array_equal(pixels(data), NOISE)
    assert Image.decode(data).format == "png"
    assert not is_kept_as_file(data)


def test_grey_and_one_bit() -> None:
    grey = NOISE[..., 0]
    black_or_white = np.where(grey > 127, 255, 0).astype(np.uint8)
    assert np.array_equal(pixels(saved(grey, "PNG")), np.stack([grey] * 3, -1))
    bits = saved(Pillow.fromarray(black_or_white).convert("1"), "PNG")
    assert np.array_equal(pixels(bits)[..., 1], black_or_white)
    for depth in (1, 2, 4):
        levels = grey >> (8 - depth)
        assert np.array_equal(pixels(png(levels, kind=0, bits=depth))[..., 2], levels * (255 // (2**depth - 1)))
    assert not is_kept_as_file(saved(grey, "PNG"))
    assert np.array_equal(pixels(saved(np.full((8, 8), 77, np.uint8), "JPEG")), np.full((8, 8, 3), 77))


DEEP = np.random.default_rng(3).integers(0, 2**16, (9, 13, 4), np.uint16)


def test_sixteen_bits_are_cut_to_the_upper_eight_and_never_kept() -> None:
    high = (DEEP >> 8).astype(np.uint8)
    for kind, deep in ((0, DEEP[..., 0]), (2, DEEP[..., :3])):
        data = png(deep, kind=kind, bits=16)
        expected = np.broadcast_to(high[..., :1], (9, 13, 3)) if kind == 0 else high[..., :3]
        assert np.array_equal(pixels(data), expected)
        assert not is_kept_as_file(data)
    done, tiff = cv2.imencode(".tiff", DEEP[..., 2::-1])
    assert done
    assert np.array_equal(pixels(tiff.tobytes()), high[..., :3])


def on_white(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[np.float64]:
    share = alpha[..., None].astype(float) / 255
    return np.asarray(colour * share + 255 * (1 - share))


@pytest.mark.parametrize("bits", [8, 16])
def test_transparency_is_laid_on_white(bits: int) -> None:
    values = DEEP if bits == 16 else (DEEP >> 8)
    high = (DEEP >> 8).astype(np.uint8)
    colour = pixels(png(values, kind=6, bits=bits))
    assert np.abs(colour - on_white(high[..., :3], high[..., 3])).max() <= 1
    grey = pixels(png(values[..., [0, 3]], kind=4, bits=bits))
    assert np.abs(grey - on_white(np.stack([high[..., 0]] * 3, -1), high[..., 3])).max() <= 1
    webp = saved(high, "WEBP", lossless=True, exact=True)
    assert np.array_equal(pixels(webp), colour) or bits == 16


def test_clear_pixels_are_white_and_opaque_ones_exact() -> None:
    rgba = np.dstack([NOISE, np.where(NOISE[..., 0] > 100, 255, 0).astype(np.uint8)])
    found = pixels(saved(rgba, "PNG"))
    assert np.array_equal(found, np.where(rgba[..., 3:] > 0, NOISE, 255))


def test_palettes_with_and_without_transparency() -> None:
    palette = noise(1, 256, seed=4)[0]
    numbers = NOISE[..., 0]
    chunk = (b"PLTE", palette.tobytes())
    assert np.array_equal(pixels(png(numbers, kind=3, chunks=(chunk,))), palette[numbers])
    alpha = NOISE[0, :, 1].repeat(20)[:256]
    clear = png(numbers, kind=3, chunks=(chunk, (b"tRNS", alpha.tobytes())))
    assert np.abs(pixels(clear) - on_white(palette[numbers], alpha[numbers])).max() <= 1
    two = png(numbers & 1, kind=3, bits=1, chunks=((b"PLTE", palette[:2].tobytes()), (b"tRNS", b"\xff\x00")))
    assert np.array_equal(pixels(two), np.where((numbers & 1)[..., None] == 0, palette[0], 255))


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_a_transparent_grey_level_is_white_at_any_depth(bits: int) -> None:
    levels = np.array([[0, 1, 2, 3]]) * (2**bits - 1) // 3
    data = png(levels, kind=0, bits=bits, chunks=((b"tRNS", struct.pack(">H", levels[0, 1])),))
    assert pixels(data)[0, :, 0].tolist() == [0, 255, 170, 255]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_colour_is_white_at_any_depth(bits: int) -> None:
    colours = np.array([[[10, 200, 30], [200, 10, 30], [0, 0, 0]]], np.uint16) * (257 if bits == 16 else 1)
    data = png(colours, kind=2, bits=bits, chunks=((b"tRNS", struct.pack(">3H", *colours[0, 1])),))
    assert pixels(data)[0].tolist() == [[10, 200, 30], [255, 255, 255], [0, 0, 0]]
    assert not is_kept_as_file(data)


def test_cmyk_without_a_profile() -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, :8] = (0, 255, 255, 0)
    data = saved(Pillow.fromarray(inks, "CMYK"), "JPEG", quality=100)
    found = pixels(data)
    assert np.abs(found[8, 3] - np.array([255.0, 0, 0])).max() <= 3
    assert np.abs(found[8, 12] - 255.0).max() <= 3
    assert not is_kept_as_file(data)


def test_cmyk_is_read_as_adobe_writes_it_with_and_without_its_mark() -> None:
    adobe = saved(Pillow.fromarray(np.full((8, 8, 4), (255, 0, 0, 0), np.uint8), "CMYK"), "JPEG", quality=100)
    start = adobe.index(b"\xff\xee")
    length = int.from_bytes(adobe[start + 2 : start + 4], "big")
    assert adobe[start + 4 : start + 9] == b"Adobe"
    bare = adobe[:start] + adobe[start + 2 + length :]
    assert np.abs(pixels(adobe)[4, 4] - np.array([0.0, 255, 255])).max() <= 3
    assert np.array_equal(pixels(bare), pixels(adobe))


def test_cmyk_by_its_profile() -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, :8, 0] = 255
    data = saved(Pillow.fromarray(inks, "CMYK"), "JPEG", quality=100, icc_profile=ink_profile())
    found = pixels(data)
    assert np.abs(found[8, 3] - 119.0).max() <= 3, "half the lightness is grey level 119 in sRGB"
    assert np.abs(found[8, 12] - 255.0).max() <= 3


# Colour


def p3_as_srgb(values: NDArray[np.uint8]) -> NDArray[np.float64]:
    xyz = (values / 255.0) ** GAMMA @ P3_TO_XYZ.T
    linear = np.clip(xyz @ np.linalg.inv(SRGB_TO_XYZ).T, 0, 1)
    return np.asarray(255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_wide_profile_is_converted(format: str) -> None:
    flat = np.full((16, 16, 3), (200, 120, 90), np.uint8)
    data = saved(flat, format, icc_profile=P3, **({"quality": 100} if format in ("JPEG", "WEBP") else {}))
    assert np.abs(pixels(data) - p3_as_srgb(flat)).max() <= 3
    assert np.abs(pixels(data).astype(int) - flat).max() > 8
    assert not is_kept_as_file(data)


def test_a_profile_holds_for_alpha_palettes_and_turned_pictures_too() -> None:
    expected = p3_as_srgb(NOISE)
    rgba = np.dstack([NOISE, np.full((9, 13), 255, np.uint8)])
    assert np.abs(pixels(saved(rgba, "PNG", icc_profile=P3)) - expected).max() <= 2
    few = Pillow.fromarray(NOISE).quantize(200)
    assert np.abs(pixels(saved(few, "PNG", icc_profile=P3)) - p3_as_srgb(np.array(few.convert("RGB")))).max() <= 2
    turned = saved(NOISE, "PNG", icc_profile=P3, exif=exif(3))
    assert np.abs(pixels(turned) - expected[::-1, ::-1]).max() <= 2


def test_a_grey_profile_is_converted_with_and_without_alpha() -> None:
    level = np.full((4, 4), 128, np.uint8)
    linear = grey_profile(1.0)
    assert np.abs(pixels(saved(level, "PNG", icc_profile=linear)) - 188.0).max() <= 1
    alpha = np.dstack([level, np.full((4, 4), 255, np.uint8)])
    assert np.abs(pixels(saved(Pillow.fromarray(alpha, "LA"), "PNG", icc_profile=linear)) - 188.0).max() <= 1


def test_what_is_srgb_is_told_by_its_colours_and_not_by_its_name() -> None:
    for format in ("PNG", "JPEG", "WEBP"):
        assert is_kept_as_file(saved(SMOOTH, format, icc_profile=SRGB))
    assert not is_kept_as_file(saved(NOISE, "PNG", icc_profile=rgb_profile(P3_TO_XYZ, name="sRGB IEC61966-2.1")))


@pytest.mark.parametrize("profile", [b"nonsense", P3[:200], bytes(500), grey_profile(1.0), ink_profile()])
def test_a_profile_that_is_broken_or_of_other_colours_counts_as_none_but_is_not_kept(profile: bytes) -> None:
    data = saved(NOISE, "PNG", icc_profile=profile)
    assert np.array_equal(pixels(data), NOISE)
    assert not is_kept_as_file(data)


def test_lab_is_converted() -> None:
    lab = np.zeros((4, 4, 3), np.uint8)
    lab[...] = (128, 0, 0)
    found = pixels(saved(Pillow.frombytes("LAB", (4, 4), lab.tobytes()), "TIFF"))
    assert np.abs(found - 119.0).max() <= 3


# Upright


def exif(turn: Any) -> Pillow.Exif:
    found = Pillow.Exif()
    found[0x0112] = turn
    return found


TURNS = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""How an upright picture lies in a file that EXIF says to turn so."""


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_turns_a_picture_upright(format: str, turn: int) -> None:
    options: dict[str, Any] = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    data = saved(np.ascontiguousarray(TURNS[turn](SMOOTH)), format, exif=exif(turn), **options)
    found = pixels(data)
    assert found.shape == SMOOTH.shape
    assert np.abs(found.astype(int) - SMOOTH).max() <= (4 if format == "JPEG" else 0)
    assert is_kept_as_file(data) == (turn == 1 and format != "TIFF")
    if format == "JPEG":
        other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(found.astype(int) - other).max() <= 4


def test_an_orientation_that_means_nothing_is_upright() -> None:
    for turn in (0, 9, 200):
        data = saved(NOISE, "PNG", exif=exif(turn))
        assert np.array_equal(pixels(data), NOISE)
        assert is_kept_as_file(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "message", [b"garbage!", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff" + bytes(9), b""]
)
def test_damaged_exif_counts_as_none(message: bytes, format: str) -> None:
    data = saved(SMOOTH, format, exif=b"Exif\0\0" + message, **({} if format == "PNG" else {"quality": 100}))
    assert np.abs(pixels(data).astype(int) - SMOOTH).max() <= 12


def test_a_file_with_damaged_exif_is_not_kept_as_others_may_turn_it() -> None:
    data = saved(NOISE, "PNG", exif=b"Exif\0\0garbage!")
    assert np.array_equal(pixels(data), NOISE)
    assert not is_kept_as_file(data)


# Frames

FRAMES = [Pillow.fromarray(noise(8, 8, seed=seed)) for seed in (1, 2, 3)]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    data = saved(FRAMES[0], format, save_all=True, append_images=FRAMES[1:], **options)
    assert len(list(ImageSequence.Iterator(Pillow.open(io.BytesIO(data))))) == 3
    assert np.array_equal(pixels(data), np.array(FRAMES[0]))
    assert not is_kept_as_file(data)


def test_an_animated_gif_gives_its_first_frame() -> None:
    few = [frame.quantize(64) for frame in FRAMES]
    data = saved(few[0], "GIF", save_all=True, append_images=few[1:])
    assert np.array_equal(pixels(data), np.array(few[0].convert("RGB")))


def test_a_gif_whose_first_frame_is_smaller_than_it_shows_white_around_it() -> None:
    still = Pillow.new("P", (2, 2), 1)
    still.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    wide = bytearray(saved(still, "GIF", optimize=False, transparency=3))
    wide[6:10] = struct.pack("<HH", 4, 3)
    found = pixels(bytes(wide))
    assert found.shape == (3, 4, 3)
    assert found[0].tolist() == [[0, 255, 0], [0, 255, 0], [255, 255, 255], [255, 255, 255]]
    assert (found[2] == 255).all()


def test_a_jpeg_of_several_pictures_gives_its_first() -> None:
    shots = [Pillow.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (60, 200)]
    data = saved(shots[0], "MPO", save_all=True, append_images=shots[1:])
    assert np.abs(pixels(data) - 60.0).max() <= 2
    assert not is_kept_as_file(data)


# Images made here, and their journeys

ARRAYS = st.builds(
    lambda height, width, seed: noise(height, width, seed=seed),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 99),
)
ORIGINS = st.sampled_from(["made", "png", "carried png", "bmp", "carried bmp"])


def coming_from(origin: str, array: NDArray[np.uint8]) -> Image:
    """The same pixels by several ways."""
    image = Image.of(array)
    if "png" in origin:
        image = Image.decode(saved(array, "PNG"))
    elif "bmp" in origin:
        image = Image.decode(saved(array, "BMP"))
    return Image.carried(image.encoded()) if "carried" in origin else image


@settings(max_examples=example_count(40), deadline=None)
@given(array=ARRAYS, origin=ORIGINS, format=st.sampled_from(["png", "jpg", "webp"]), quality=st.integers(1, 100))
def test_without_originals_equal_pixels_are_equal_bytes_wherever_they_came_from(
    array: NDArray[np.uint8], origin: str, format: Format, quality: int
) -> None:
    made = Image.of(array).stored(format, quality=quality, keep_original=False)
    assert coming_from(origin, array).stored(format, quality=quality, keep_original=False) == made
    if format == "png":
        assert np.array_equal(Image.decode(made).array, array)
    assert Image.decode(made).format == format


@settings(max_examples=example_count(40), deadline=None)
@given(array=ARRAYS, origin=ORIGINS)
def test_pixels_survive_every_journey(array: NDArray[np.uint8], origin: str) -> None:
    image = coming_from(origin, array)
    assert np.array_equal(image.array, array)
    assert image == Image.carried(image.encoded())
    assert hash(image) == hash(Image.carried(image.encoded()))
    again = Image.carried(image.encoded())
    assert again.encoded() == image.encoded()
    assert (again.size, again.format) == (image.size, image.format)


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
def test_originals_are_kept_only_where_asked_and_of_the_format_wanted(format: Format) -> None:
    data = saved(SMOOTH, {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[format], exif=exif(1))
    for image in (Image.decode(data), Image.carried(data)):
        assert image.stored(format, quality=95, keep_original=True) == data
        fresh = image.stored(format, quality=95, keep_original=False)
        assert fresh != data
        assert b"xif" not in fresh, "what is stored from pixels has no metadata"
        for other in {"png", "jpg", "webp"} - {format}:
            assert Image.decode(image.stored(other, quality=95, keep_original=True)).format == other


def test_a_picture_made_here_is_frozen_and_apart_from_its_array() -> None:
    for array in (NOISE.copy(), noise(20, 26)[::2, ::2], np.asfortranarray(NOISE), NOISE[:, ::-1]):
        before = array.copy()
        image = Image.of(array)
        array[...] = 0
        assert np.array_equal(image.array, before)
        with pytest.raises(ValueError, match="read-only"):
            image.array[0, 0] = 1


@pytest.mark.parametrize(
    ("array", "named"),
    [
        (np.zeros((4, 4), np.uint8), "uint8 (4, 4)"),
        (np.zeros((4, 4, 4), np.uint8), "uint8 (4, 4, 4)"),
        (np.zeros((0, 4, 3), np.uint8), "uint8 (0, 4, 3)"),
        (np.zeros((4, 4, 3), np.float32), "float32 (4, 4, 3)"),
    ],
)
def test_an_array_that_is_no_picture_is_named(array: NDArray[Any], named: str) -> None:
    with pytest.raises(DataError) as caught:
        Image.of(array)
    assert str(caught.value) == f"a picture is HWC uint8 RGB, this array is {named}"


@pytest.mark.parametrize(("format", "width"), [("webp", 16_384), ("jpg", 65_536)])
def test_a_picture_too_long_for_a_format_says_so(format: Format, width: int) -> None:
    image = Image.of(np.zeros((1, width, 3), np.uint8))
    with pytest.raises(DataError, match=f"a picture of {width}x1 cannot be stored as {format}"):
        image.stored(format, quality=90, keep_original=False)


def test_a_picture_tells_its_size_and_format() -> None:
    assert repr(Image.of(NOISE)) == "Image(13x9 png)"
