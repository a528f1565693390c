"""What is wrong with the source `world`: told by `check`, with what would do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from building import ledger_rows
from commands import call, refused
from conftest import ROOT
from measured_worlds import write_config

from datagen.cli import OK, SOME_FAILED
from datagen.worlds import wording

CONFIG = """pipeline: worlds
source: {kind: world, count: 2, turns: 1, width: 96, height: 96}
stages:
  - use: render_turn
  - use: add_placeholder
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "worlds.yaml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("damages=[blurr]", "'blur'"),
        ("damages=[]", "at least 1"),
        ("damages=[shift, shift]", "a value stands twice"),
        ("strengths=[3]", "2"),
        ("look=shape", "'shapes'"),
        ("split=test", "known: held_out, tuned"),
        ("wording=test", "known: held_out, plain, tuned"),
        ("turns=21", "20"),
        ("turns=0", "1"),
        ("width=64", "96"),
        ("shadow=2", "1"),
        ("photograph=x", "photographs"),
    ],
)
def test_an_option_of_a_world_that_is_wrong(
    config: Path, option: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert message in refused("check", config, "--set", f"source.{option}", capfd=capfd)


def _empty(folder: Path) -> None:
    (folder / "notes.txt").write_text("none")


def _one(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"never read by check")  # its name's hash is that of a held-out one


def _wrong_list(folder: Path) -> None:
    (folder / "photographs.toml").write_text('[[photograph]]\nname = "a"\nuri = "a.png"\nsplit = "train"\n')


def _list_without_backgrounds(folder: Path) -> None:
    text = '[[photograph]]\nname = "a"\nuri = "a.png"\nsplit = "tuned"\nbackground = false\n'
    (folder / "photographs.toml").write_text(text)


def _list_without_outlines(folder: Path) -> None:
    (folder / "photographs.toml").write_text('[[photograph]]\nname = "a"\nuri = "a.png"\nsplit = "tuned"\n')


@pytest.mark.parametrize(
    ("make", "more", "message"),
    [
        (_empty, (), "holds no photographs; their names end in .jpg"),
        (
            _one,
            ("source.split=SPLIT",),
            "none of its 1 photographs is 'SPLIT'; add more, or name splits in photographs.toml",
        ),
        (_wrong_list, (), "photographs.toml: photograph.0.split"),
        (_list_without_backgrounds, (), "names no photographs that may be backgrounds"),
        (_list_without_outlines, ("source.look=cutouts",), "cutouts need outlines of 4 kinds of objects"),
    ],
)
def test_a_folder_of_photographs_that_is_wrong(
    config: Path,
    tmp_path: Path,
    make: Callable[[Path], None],
    more: tuple[str, ...],
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from datagen.worlds.photographs import split_of

    other = "tuned" if split_of("a.png") == "held_out" else "held_out"
    folder = tmp_path / "album"
    folder.mkdir()
    make(folder)
    sets = [f"source.photographs={folder}", *(word.replace("SPLIT", other) for word in more)]
    words = [word for text in sets for word in ("--set", text)]
    assert message.replace("SPLIT", other) in refused("check", config, *words, capfd=capfd)


def test_a_folder_that_is_not_there_or_a_file(config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    gone = refused("check", config, "--set", f"source.photographs={tmp_path}/gone", capfd=capfd)
    assert "there is no such folder or file" in gone
    file = refused("check", config, "--set", f"source.photographs={config}", capfd=capfd)
    assert "is a file; `photographs` is a folder" in file


def test_wording_that_nobody_wrote(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wording, "wording_path", lambda split: tmp_path / f"{split}.toml")
    wording.load_wording.cache_clear()
    message = refused("check", config, "--set", "source.wording=held_out", capfd=capfd)
    wording.load_wording.cache_clear()
    assert "wording 'held_out': there is no datagen/worlds/wording/held_out.toml" in message


def test_a_photograph_that_cannot_be_read_fails_its_sessions_alone(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    text = '[[photograph]]\nname = "{0}"\nuri = "{1}"\nsplit = "tuned"\n'
    rocket = "package://skimage/data/rocket.jpg"
    (folder / "photographs.toml").write_text(text.format("bad", "bad.png") + text.format("rocket", rocket))
    (folder / "bad.png").write_bytes(b"no picture")
    sets = ("--set", f"source.photographs={folder}", "--set", "source.count=12")
    out = tmp_path / "out"
    done = call("run", config, "--engine", "local", "--out", out, *sets, capfd=capfd)
    assert done.code == SOME_FAILED, done.err
    rows = ledger_rows(out).values()
    assert {row["status"] for row in rows} == {"accepted", "failed"}
    assert all("bad.png: not a picture" in row["detail"] for row in rows if row["status"] == "failed")


def test_a_pipeline_that_cannot_be_measured(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = refused("measure", ROOT / "configs" / "subject_add.yaml", capfd=capfd)
    assert re.search(r"subject_add.yaml:\d+: the source is of kind '\w+', whose truth is not known", message)
    assert "`kind: world`" in message
    message = refused("measure", config, capfd=capfd)
    assert (
        "worlds.yaml:2: to be measured, the pipeline lacks the stages decompose_instruction, propose_boxes" in message
    )


def test_a_split_without_photographs_or_wording_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before anything runs."""
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "photographs.toml").write_text('[[photograph]]\nname = "a"\nuri = "a.png"\nsplit = "tuned"\n')
    chain = write_config(tmp_path, photographs=str(folder))
    assert "none of its 1 photographs is 'held_out'" in refused("measure", chain, "--no-encoder", capfd=capfd)
    real = wording.wording_path
    monkeypatch.setattr(
        wording, "wording_path", lambda split: tmp_path / "no.toml" if split == "held_out" else real(split)
    )
    wording.load_wording.cache_clear()
    message = refused("measure", write_config(tmp_path), "--no-encoder", capfd=capfd)
    wording.load_wording.cache_clear()
    assert "wording 'held_out': there is no" in message


def test_sessions_that_cannot_be_rendered_are_not_measured(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "photographs.toml").write_text('[[photograph]]\nname = "a"\nuri = "a.png"\nsplit = "tuned"\n')
    (folder / "a.png").write_bytes(b"no picture")
    chain = write_config(tmp_path, photographs=str(folder), turns=2, width=96, height=96)
    done = call("measure", chain, "--no-encoder", "--split", "tuned", "--sessions", 2, "--json", capfd=capfd)
    assert done.code == OK, done.err
    assert "2 sessions cannot be rendered" in " ".join(done.data["notes"])
    assert done.data["results"][0]["samples"]["right"]["value"] is None
