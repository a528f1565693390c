"""A folder that appears whole or not at all, whatever ends its writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from export.planned import dataset, plan

from datagen.core.errors import ConfigError, StoreError
from datagen.export import export_dataset
from datagen.export.whole_folder import building_place, whole_folder


def test_a_folder_appears_when_all_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "to"
    with whole_folder(folder) as place:
        (place / "half").write_text("x")
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["half"]
    assert [path.name for path in folder.parent.iterdir()] == ["to"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    with whole_folder(tmp_path) as place:
        (place / "one").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_nothing_is_left_of_a_block_that_fails(tmp_path: Path) -> None:
    with pytest.raises(UnicodeError, match="codec"), whole_folder(tmp_path / "to") as place:
        (place / "half").write_text("\udc80")
    with pytest.raises(StoreError, match="cannot be written: No space left on device"), whole_folder(tmp_path / "to"):
        raise OSError(28, os.strerror(28))
    assert list(tmp_path.iterdir()) == []


def test_only_what_an_export_left_is_removed(tmp_path: Path) -> None:
    place = building_place(tmp_path / "to")
    place.mkdir()
    (place / "mine").write_text("x")
    with (
        pytest.raises(ConfigError, match="has other things in it than an unfinished export"),
        whole_folder(tmp_path / "to"),
    ):
        pass
    (place / "mine").rename(tmp_path / "mine")
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="is in the way"), whole_folder(tmp_path / "to"):
        pass
    assert (tmp_path / "mine").is_file()


def test_two_exports_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "to") as place:
        (place / "one").write_text("x")
        with pytest.raises(ConfigError, match="another process exports into"), whole_folder(tmp_path / "to"):
            pass
        assert (place / "one").is_file()
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["one"]


SLOW = """
import sys, time
from pathlib import Path
from datagen.export import exporting
make = exporting.make_lesson
def slow(info, members):
    time.sleep(0.2)
    return make(info, members)
exporting.make_lesson = slow
exporting.export_dataset(sys.argv[1], format=sys.argv[2], to=Path(sys.argv[3]))
"""


@pytest.mark.subprocess
@pytest.mark.parametrize("format", ["irg", "zebra_cot"])
def test_a_killed_export_leaves_no_folder_and_the_next_one_starts_anew(tmp_path: Path, format: str) -> None:
    out = dataset(tmp_path / "out", *(plan(f"p{number}", length=1) for number in range(60)))
    to = tmp_path / "to"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writer = subprocess.Popen([sys.executable, "-c", SLOW, out, format, str(to)], env=environment)
    try:
        end = time.monotonic() + 60
        while not (building_place(to) / "train").exists() and time.monotonic() < end:
            assert writer.poll() is None
            time.sleep(0.02)
        with pytest.raises(ConfigError, match="another process exports into"):
            export_dataset(out, format=format, to=to)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert not to.exists()
    assert building_place(to).is_dir()
    found, was_there = export_dataset(out, format=format, to=to)
    assert (found.total, was_there) == (60, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "to"]
    assert not list(to.rglob("*unfinished*"))
