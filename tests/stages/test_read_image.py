"""Reading: what is sound is decoded, what is not fails alone and says why."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
from building import ledger_rows, run_local, toy_graph
from fsspec.registry import known_implementations
from picture_files import header, noise, png_of, saved, smooth

from datagen.core.errors import SetupError
from datagen.core.record import Record
from datagen.core.stage import Failed
from datagen.execute.maintain.verify import verify
from datagen.fetch import folder_of, resolved
from datagen.imaging.image import PILLOW_LIMIT
from stages.read_image import ReadImage

PIXELS = noise(6, 8)
PNG = saved(PIXELS, "PNG")


def read(uri: str, *, base: str = "", sha256: str = "", **options: Any) -> Any:
    stage = ReadImage(ReadImage.Config(**options))
    record = Record("a", {"uri": uri, "base": base, "sha256": sha256})
    return stage.process([record])[0]


def fault(uri: str, **options: Any) -> str:
    answer = read(uri, **options)
    assert isinstance(answer, Failed)
    assert answer.error.startswith(f"{uri:.300}: ")
    return answer.error.removeprefix(f"{uri:.300}: ")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "in/b.png", "odd::name.png", "100%.png"):
        (tmp_path / name).write_bytes(PNG)
    return f"{tmp_path}/"


def test_a_picture_and_the_checksum_of_its_file(folder: str) -> None:
    found = hashlib.sha256(PNG).hexdigest()
    for answer in (read(f"{folder}a.png"), read(f"{folder}a.png", sha256=found), read(f"file://{folder}a.png")):
        assert np.array_equal(answer["image"].array, PIXELS)
        assert answer["original_sha256"] == found


@pytest.mark.parametrize("uri", ["a.png", "in/b.png", "in/../a.png", "odd::name.png", "100%.png"])
def test_relative_addresses_count_from_the_base(folder: str, uri: str) -> None:
    assert read(uri, base=folder)["image"].size == (8, 6)
    assert read(uri, base=folder.rstrip("/"))["image"].size == (8, 6)
    assert read(f"../{uri}", base=f"{folder}in/")["image"].size == (8, 6)


def test_folders_end_in_a_slash_and_whole_addresses_stay() -> None:
    assert [folder_of(path) for path in ("m.jsonl", "/m.jsonl", "s3://b/m.jsonl")] == ["", "/", "s3://b/"]
    assert resolved("x.png", "memory://") == "memory://x.png"
    assert resolved("x.png", "") == "x.png"
    for whole in ("/x.png", "s3://b/x.png"):
        assert resolved(whole, "/base/") == whole


def test_a_missing_photograph(folder: str) -> None:
    assert fault("nowhere.png", base=folder) == "there is no such file"
    assert fault("package://skimage/data/nowhere.png") == "there is no such file"
    assert fault("memory://nowhere.png") == "there is no such file"


def test_another_checksum_is_told_with_that_of_the_file(folder: str) -> None:
    message = fault("a.png", base=folder, sha256="0" * 64)
    assert message == f"its checksum is {hashlib.sha256(PNG).hexdigest()}, the manifest says {'0' * 64}"


def test_what_cannot_be_opened(folder: str) -> None:
    assert fault("in", base=folder) == "cannot be read: Is a directory"
    assert fault("a.png/b.png", base=folder) == "cannot be read: Not a directory"
    assert fault("a\0.png", base=folder) == "cannot be read: embedded null byte"
    assert fault("x" * 10_000, base=folder) == "cannot be read: File name too long"


@pytest.fixture
def alarm() -> Iterator[None]:
    """Ends what would wait for ever."""

    def ring(*_: object) -> None:
        raise RuntimeError("it waits for ever")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_pipe_or_device_is_refused_and_never_waited_for(folder: str, prefix: str) -> None:
    os.mkfifo(f"{folder}pipe")
    os.symlink(f"{folder}pipe", f"{folder}link")
    for path in (f"{folder}pipe", f"{folder}link", "/dev/zero"):
        assert fault(f"{prefix}{path}") == "is not a regular file but a pipe, socket or device"


def test_limits_on_bytes_and_pixels(folder: str) -> None:
    assert read("a.png", base=folder, max_bytes=len(PNG), max_pixels=48)["image"].size == (8, 6)
    message = fault("a.png", base=folder, max_bytes=len(PNG) - 1)
    assert message == f"is larger than {len(PNG) - 1:,} bytes, the limit set by `max_bytes`"
    assert fault("a.png", base=folder, max_pixels=47) == "8x6 pixels are more than the 47 that are allowed"
    with pytest.raises(pydantic.ValidationError, match="less than or equal"):
        ReadImage.Config(max_pixels=PILLOW_LIMIT + 1)


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "zip", "simplecache::http"])
def test_the_network_is_not_reached_unless_allowed(scheme: str) -> None:
    message = fault(f"{scheme}://127.0.0.1/a.png")
    assert re.match(rf"the scheme '{scheme}' is not allowed; `schemes` lists: file, package, s3, ", message)


@pytest.mark.parametrize("uri", ["memory://a::http://127.0.0.1/a.png", "s3://a.png::memory://b"])
def test_chains_of_addresses_are_refused(uri: str) -> None:
    assert fault(uri) == "chained addresses, written with '::', are not read"


def test_a_chain_behind_a_plain_path_is_only_a_name(folder: str) -> None:
    assert fault(f"file://{folder}a.png::http://127.0.0.1/a.png") == "there is no such file"


def test_a_scheme_whose_package_is_missing_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"class": "nowhere.Tape", "err": "Install tapefs to read tapes"}
    monkeypatch.setitem(known_implementations, "tape", known)
    with pytest.raises(SetupError, match="'tape' addresses cannot be read here: Install tapefs to read tapes"):
        read("tape://a.png", schemes=("tape",))


def test_files_of_installed_packages() -> None:
    assert read("package://skimage/data/rocket.jpg")["image"].size == (640, 427)


@pytest.mark.parametrize(
    "uri",
    [
        "package://skimage/../secret.png",
        "package://skimage/data/../../../secret.png",
        "package://skimage//etc/hostname",
        "package://skimage",
        "package://skimage/",
        "package:///etc/hostname",
        "package://../etc/hostname",
        "package://skimage.data/rocket.jpg",
    ],
)
def test_nothing_outside_a_package_is_read_by_its_scheme(uri: str) -> None:
    assert fault(uri) == "write it as package://<package>/<path inside it>, without '..'"


@pytest.mark.parametrize("package", ["surely_not_there", "__main__", "this"])
def test_a_package_that_is_not_there(package: str) -> None:
    assert fault(f"package://{package}/a.png") == f"the package '{package}' is not installed; pip install it"


FILES = {
    "sound.png": (PNG, ""),
    "sound.jpg": (saved(smooth(16, 16), "JPEG"), ""),
    "half.png": (PNG[: len(PNG) // 2], "the picture is damaged: "),
    "half.jpg": (saved(smooth(40, 40), "JPEG")[:400], "the picture is damaged: "),
    "empty.png": (b"", "the file is empty"),
    "text.png": (b"not found", "not a picture that can be read"),
    "bomb.png": (png_of(header(60_000, 60_000), (b"IDAT", b"")), "more pixels than the 100,000,000"),
    "missing.png": (None, "there is no such file"),
}


def test_each_faulty_picture_fails_alone_and_by_name(tmp_path: Path) -> None:
    for name, (data, _) in FILES.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
    rows = [{"id": name, "uri": name} for name in FILES]
    stages: list[Any] = [{"use": "read_image"}, {"use": "paint", "map": {"target": "target"}}]
    run_local(toy_graph(tmp_path, stages, rows=rows, slice_size=8), tmp_path / "out")
    found = ledger_rows(tmp_path / "out")
    for name, (_, result) in FILES.items():
        assert found[name]["status"] == ("failed" if result else "accepted")
        assert found[name]["stage"] == ("read_image" if result else "")
        assert found[name]["detail"].startswith(f"{name}: {result}" if result else "")
        assert "Traceback" not in found[name]["detail"]
    assert found["sound.png"]["source_sha256"] == hashlib.sha256(PNG).hexdigest()
    assert verify(str(tmp_path / "out")) == []
