"""The report as commands write it: after a run, on demand, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from building import PAINT, Quiet, plain_rows, run_local, toy_config, toy_graph
from running import finished
from typer.testing import CliRunner, Result

from datagen import cli
from datagen.core.errors import StoreError
from datagen.execute.run import RunOptions, run
from datagen.report import page as pages

PAGE = "report/index.html"


def _run(folder: Path, *more: str, command: str = "run") -> Result:
    config = toy_config(folder, [{"use": "blow_up"}, PAINT], rows=[{**plain_rows(1)[0], "caption": "dud"}])
    subject = [str(config), "--out", str(folder / "out")] if command == "run" else [str(folder / "out")]
    return CliRunner().invoke(cli.app, [command, *subject, "--engine", "local", *more])


def test_a_run_ends_with_its_report_and_so_does_a_retry(tmp_path: Path) -> None:
    done = _run(tmp_path)
    assert done.exit_code == cli.SOME_FAILED
    assert f"see what came out:   {tmp_path}/out/{PAGE}" in done.output
    (tmp_path / "out" / PAGE).unlink()
    assert _run(tmp_path, command="retry").exit_code == cli.SOME_FAILED
    assert (tmp_path / "out" / PAGE).exists()


def test_a_run_leaves_it_out_if_told_so(tmp_path: Path) -> None:
    done = _run(tmp_path, "--no-report")
    assert done.exit_code == cli.SOME_FAILED
    assert "index.html" not in done.output
    assert not (tmp_path / "out" / "report").exists()
    assert _run(tmp_path, "--no-report", command="retry").exit_code == cli.SOME_FAILED
    assert not (tmp_path / "out" / "report").exists()


@pytest.mark.parametrize("fault", [RuntimeError("it broke, sk-aaaabbbbccccdddd"), KeyboardInterrupt()])
def test_a_fault_in_the_report_is_said_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    def broken(*_: object) -> bytes:
        raise fault

    monkeypatch.setattr(pages, "render", broken)
    done = _run(tmp_path)
    assert done.exit_code == cli.SOME_FAILED
    assert f"no report was written: {'it broke, ***' if str(fault) else 'KeyboardInterrupt'}" in done.output
    assert f"python -m datagen report {tmp_path}/out" in done.output
    assert (tmp_path / "out" / "dataset.json").exists()


def test_what_cannot_be_noted_of_a_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr("datagen.execute.run.add_run_cost", full)
    watcher = Quiet()
    graph = toy_graph(tmp_path, [PAINT])
    assert run(graph, out=str(tmp_path / "out"), options=RunOptions("local"), watcher=watcher).counts.accepted == 8
    assert "what stages took is not noted: the disk is full" in watcher.messages


@pytest.mark.subprocess
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["OUT", "--samples", "0"], "Invalid value for '--samples'"),
        (["OUT", "--to", "OUT/dataset.json"], "is a file, not a folder; give another --to"),
        (["OUT", "--to", "gopher://x"], "cannot be opened"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, words: list[str], says: str) -> None:
    out = finished(tmp_path, number=3)
    words = [word.replace("OUT", str(out)) for word in words]
    done = subprocess.run(
        [sys.executable, "-m", "datagen", "report", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == cli.WRONG
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (out / PAGE).exists()


def test_its_help_shows_how() -> None:
    result = CliRunner().invoke(cli.app, ["report", "--help"])
    assert "python -m datagen report out/subject_add" in result.output


def test_a_run_into_a_folder_whose_name_is_no_text_has_a_report(tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"o\xff")
    run_local(toy_graph(tmp_path, [PAINT], rows=plain_rows(1)), out)
    written = pages.write_report(str(out))
    assert "o\\udcff" in Path(written.address).read_text(encoding="utf-8")
