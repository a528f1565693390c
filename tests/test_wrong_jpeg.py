"""JPEG files with missing or wrong bytes, which decoders draw all the same, are refused; sound ones of all kinds pass."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from building import PAINT, ledger_rows, toy_config
from commands import call
from photographs import NAMES, photograph
from PIL import Image as Pillow
from PIL import ImageCms
from skimage import data

from datagen import cli
from datagen.core.errors import DataError
from datagen.imaging.image import Image

DATA = Path(data.__file__).parent
FILES = sorted(DATA.glob("*.jpg"))


def saved(picture: Pillow.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, **{"format": "JPEG", "quality": 90, **options})
    return file.getvalue()


def rocket() -> Pillow.Image:
    return Pillow.fromarray(photograph("rocket"))


def opencv(*options: int) -> bytes:
    return cv2.imencode(".jpg", photograph("coffee"), options)[1].tobytes()


def _exif() -> bytes:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a rocket \xff\xd8\xff"
    return exif.tobytes()


def _with_header(extra: bytes) -> bytes:
    """A JPEG file with another segment behind its start."""
    sound = saved(rocket())
    return sound[:2] + extra + sound[2:]


SOUND: dict[str, Callable[[], bytes]] = {
    "progressive": lambda: saved(rocket(), progressive=True),
    "progressive with restart markers": lambda: saved(rocket(), progressive=True, restart_marker_blocks=9),
    "optimized": lambda: saved(rocket(), optimize=True),
    "grey": lambda: saved(rocket().convert("L")),
    "CMYK": lambda: saved(rocket().convert("CMYK")),
    "RGB without conversion": lambda: saved(rocket(), keep_rgb=True),
    "4:4:4": lambda: saved(rocket(), subsampling=0),
    "4:2:2": lambda: saved(rocket(), subsampling=1),
    "worst": lambda: saved(rocket(), quality=1),
    "best": lambda: saved(rocket(), quality=100),
    "restart markers": lambda: saved(rocket(), restart_marker_rows=1),
    "more restart markers": lambda: saved(rocket(), restart_marker_blocks=1),
    "EXIF": lambda: saved(rocket(), exif=_exif()),
    "a colour profile": lambda: saved(
        rocket(), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ),
    "a comment": lambda: saved(rocket(), comment=b"\xff\xd9 not the end"),
    "bytes behind its end": lambda: saved(rocket()) + b"<script>" * 99,
    "zeros behind its end": lambda: saved(rocket()) + bytes(4096),
    "another picture behind its end": lambda: saved(rocket()) + saved(rocket()),
    "several pictures": lambda: saved(rocket(), format="MPO", save_all=True, append_images=[rocket()]),
    "one pixel": lambda: saved(rocket().resize((1, 1))),
    "odd sides": lambda: saved(rocket().resize((17, 33))),
    "one row": lambda: saved(rocket().resize((999, 1))),
    "an unknown JFIF version": lambda: saved(rocket()).replace(b"JFIF\0\1\1", b"JFIF\0\7\7", 1),
    "an unknown Adobe transform": lambda: _with_header(b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\x07"),
    "a damaged colour profile": lambda: _with_header(b"\xff\xe2\x00\x14ICC_PROFILE\0\x03\x02abcd"),
    "fill bytes before a marker": lambda: _with_header(b"\xff\xff\xff\xfe\x00\x04ab"),
    "OpenCV's": lambda: opencv(cv2.IMWRITE_JPEG_QUALITY, 80),
    "OpenCV's progressive": lambda: opencv(cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 5),
    **{f"{file.name} of scikit-image": file.read_bytes for file in FILES},
    **{f"{name}, {quality}": lambda n=name, q=quality: saved(Pillow.fromarray(photograph(n)), quality=q)  # type: ignore[misc]
       for name in NAMES for quality in (5, 50, 75, 95)},
}  # fmt: skip


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_jpeg_of_any_kind_is_read(kind: str) -> None:
    file = SOUND[kind]()
    assert Image.decode(file, damaged_jpeg="refuse") == Image.decode(file)


def _cut(file: bytes, at: int, length: int) -> bytes:
    return file[:at] + file[at + length :]


DAMAGES: dict[str, Callable[[bytes, int, int], bytes]] = {
    "cut out": _cut,
    "zeros": lambda file, at, length: file[:at] + bytes(length) + file[at + length :],
    "swapped": lambda file, at, length: (
        file[:at] + file[at + length : at + 2 * length] + file[at : at + length] + file[at + 2 * length :]
    ),
    "twice": lambda file, at, length: file[: at + length] + file[at:],
    "noise": lambda file, at, length: file[:at] + random.Random(at).randbytes(length) + file[at + length :],
}


def _tried() -> list[bytes]:
    made = [Pillow.fromarray(photograph(name)) for name in NAMES]
    return [file.read_bytes() for file in FILES] + [
        saved(one, progressive=flag) for one in made for flag in (False, True)
    ]


@pytest.mark.parametrize(
    ("damage", "least"), [("cut out", 0.85), ("zeros", 0.65), ("swapped", 0.7), ("twice", 0.85), ("noise", 0.75)]
)
def test_most_damaged_photographs_are_refused(damage: str, least: float) -> None:
    draw = random.Random(damage)
    refused = tried = 0
    for file in _tried():
        data_start = file.index(b"\xff\xda") + 14
        for _ in range(8):
            length = draw.randint(64, 512)
            spoilt = DAMAGES[damage](file, draw.randrange(data_start, len(file) - 2 * length), length)
            tried += 1
            try:
                Image.decode(spoilt, damaged_jpeg="refuse")
            except DataError:
                refused += 1
    assert refused / tried >= least, (refused, tried)


def test_a_jpeg_without_its_middle_fails_alone_by_name_and_can_be_accepted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = saved(rocket())
    spoilt = _cut(file, len(file) // 2, 2000)
    with Pillow.open(io.BytesIO(spoilt)) as opened:
        assert np.array(opened.convert("RGB")).shape == photograph("rocket").shape, "Pillow says nothing"
    (tmp_path / "spoilt.jpg").write_bytes(spoilt)
    (tmp_path / "sound.jpg").write_bytes(file)
    rows = [{"id": name, "uri": f"{name}.jpg"} for name in ("spoilt", "sound")]
    config = toy_config(tmp_path, [{"use": "read_image"}, PAINT], rows=rows)
    run = ("run", config, "--engine", "local", "--out", tmp_path / "out")
    assert call(*run, capfd=capfd).code == cli.SOME_FAILED
    ends = ledger_rows(tmp_path / "out")
    assert ends["sound"]["status"] == "accepted"
    assert ends["spoilt"]["detail"] == (
        "spoilt.jpg: the picture is damaged: Corrupt JPEG data: premature end of data segment; "
        "to take such files all the same, set `damaged_jpeg: accept`"
    )
    assert call(*run, "--set", "read_image.damaged_jpeg=accept", capfd=capfd).code == cli.OK
