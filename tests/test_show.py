"""`show`: one record as text, as data, and as a sheet with its pictures, masks and boxes."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from building import PAINT, ledger_rows, plain_rows, run_local, toy_graph
from commands import call
from conftest import ROOT
from picture_files import noise, saved
from PIL import Image as Pillow

from datagen import cli
from datagen.cards.show import card_of, find
from datagen.pipeline.config import load
from datagen.pipeline.graph import build


def _rocket(out: Path, *sets: str) -> Path:
    """A photograph of the demo, run into `out`."""
    manifest = out.parent / "one.jsonl"
    lines = (ROOT / "manifests" / "demo.jsonl").read_text().splitlines()
    manifest.write_text(next(f"{line}\n" for line in lines if '"rocket"' in line))
    run_local(build(load(ROOT / "configs" / "subject_add.yaml", sets=[f"source.path={manifest}", *sets])), out)
    return out


@pytest.fixture(scope="module")
def demo_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sample of the demo."""
    return _rocket(tmp_path_factory.mktemp("demo") / "out")


def _one(out: Path, status: str, reason: str = "") -> str:
    return next(row["id"] for row in ledger_rows(out).values() if (row["status"], row["reason"]) == (status, reason))


def test_a_sample_has_all_its_members_boxes_outlines_and_history(demo_out: Path) -> None:
    card = card_of(find(str(demo_out), _one(demo_out, "accepted")))
    assert [picture.name for picture in card.sheet.pictures] == ["ref_0", "source", "target"]
    assert list(card.sheet.outlines) == ["mask_0", "mask_1"]
    assert len(card.sheet.boxes) == 1
    assert card.instruction.startswith("Add <imagehere>")
    stages = [step.stage for step in card.steps]
    assert stages.index("read_image") < stages.index("expand_objects") < stages.index("remove_subject")
    assert {"sharpness", "task", "members", "licence", "source"} <= {name for name, _ in card.facts}


def test_a_rejected_record_shows_what_was_made_of_it(tmp_path: Path) -> None:
    out = _rocket(tmp_path / "out", "check_removal.max_strangeness=0")
    card = card_of(find(str(out), _one(out, "rejected", "implausible")))
    assert card.ended == "rejected by check_removal: implausible"
    assert [picture.name for picture in card.sheet.pictures] == ["original", "source"]
    assert len(card.sheet.outlines) == 2  # the hole, and the subject
    assert not card.sheet.notes


def test_it_writes_a_page_and_a_picture(
    demo_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    id = _one(demo_out, "accepted")
    result = call("show", demo_out, id, "--to", "one.html", "--json", capfd=capfd)
    assert result.code == cli.OK
    assert result.data["sample"]["id"] == id
    assert result.data["records"][-1]["status"] == "accepted"
    html = Path("one.html").read_text()
    assert html.count("data:image/webp;base64,") == 3
    assert html.count('class="outline') == 4  # two masks over source and target
    assert html.count('class="box"') == 2
    assert not re.search(r"https?://", html)
    assert call("show", demo_out, id, "--to", "one.png", capfd=capfd).code == cli.OK
    with Pillow.open(io.BytesIO(Path("one.png").read_bytes())) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
        assert (0, 190, 220) in {colour for _, colour in picture.getcolors(2**24)}


def test_it_is_opened_where_that_is_asked(
    demo_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.launch", opened.append)
    id = _one(demo_out, "accepted")
    assert call("show", demo_out, id, capfd=capfd).code == cli.OK
    assert not list(tmp_path.iterdir())
    assert call("show", demo_out, id, "--open", capfd=capfd).code == cli.OK
    name = f"{id.replace('#', '__')}.html"
    assert opened == [name]
    assert (tmp_path / name).exists()


def test_hostile_text_is_shown_and_not_run_and_names_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    id = "../../<script>alert(1)</script>"
    rows = [{"id": id, "uri": 'x" onerror="alert(2)', "caption": "</style><img src=x>"}]
    run_local(toy_graph(tmp_path, [PAINT], rows=rows), tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.launch", str)
    assert call("show", tmp_path / "out", id, "--open", capfd=capfd).code == cli.OK
    [page] = tmp_path.glob("*.html")
    html = page.read_text()
    assert "<script" not in html
    assert 'onerror="' not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_record_whose_picture_is_gone_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = [{"use": "sift", "with": {"share": 1}}, PAINT]
    run_local(toy_graph(tmp_path, stages, rows=plain_rows(2)), tmp_path / "out")
    page = tmp_path / "page.html"
    assert call("show", tmp_path / "out", "r0", "--to", page, capfd=capfd).code == cli.OK
    assert "its picture cannot be shown" in page.read_text()
    assert call("show", tmp_path / "out", "r0", "--to", tmp_path / "page.png", capfd=capfd).code == cli.OK


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["r0", "--to", "sheet.pdf"],
            "sheet.pdf: a sheet is a .html or a .png file; give --to FILE.html or --to FILE.png",
        ),
        (["r0", "--to", "no/folder/sheet.html"], "no/folder/sheet.html cannot be written: No such file or directory"),
        (["r9"], "there is no sample with the key 'r9' and no record with that id"),
    ],
)
def test_a_mistake_gets_a_line(
    tmp_path: Path, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run_local(toy_graph(tmp_path, [PAINT], rows=plain_rows(2)), tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    result = call("show", "out", *words, capfd=capfd)
    assert (result.code, result.out) == (cli.WRONG, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_a_name_that_is_no_text_is_found_as_the_ledger_has_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(saved(noise(8, 8), "PNG"))
    (folder / os.fsdecode(b"bad\xff.png")).write_bytes(b"")
    graph = toy_graph(tmp_path, [{"use": "read_image"}, PAINT], source={"kind": "images", "path": str(folder)})
    run_local(graph, tmp_path / "out")
    result = call("show", tmp_path / "out", os.fsdecode(b"bad\xff.png"), capfd=capfd)
    assert result.code == cli.OK
    assert "bad\\udcff.png  failed" in result.out
    missing = call("show", tmp_path / "out", os.fsdecode(b"none\xff"), capfd=capfd)
    assert missing.code == cli.WRONG
    assert "there is no sample with the key 'none" in missing.err


@pytest.mark.subprocess
def test_standard_output_that_is_full_is_an_error_of_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "datagen", "describe", "config"]
        process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert process.returncode == cli.WRONG
    assert process.stderr == "error: standard output cannot be written: no space is left where it goes\n"
