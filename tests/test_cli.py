"""The command line as a person uses it: exit codes, help, messages, no stack traces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from building import PAINT, Quiet, dataset_bytes, ledger_rows, plain_rows, toy_config, toy_graph
from commands import call
from typer.testing import CliRunner

from datagen import cli
from datagen.__main__ import leave
from datagen.core.errors import SetupError
from datagen.execute import run as running_module
from datagen.execute.run import RunOptions
from datagen.pipeline.describe import describe

STAGES = [{"use": "sift"}, {"use": "fan_out"}, PAINT]


@pytest.mark.subprocess
def test_help_is_a_page_that_teaches_by_examples() -> None:
    process = subprocess.run([sys.executable, "-m", "datagen", "--help"], capture_output=True, text=True, check=True)
    assert "python -m datagen run configs/subject_add.yaml" in process.stdout
    for command in ("run", "check", "plan", "describe", "verify", "show"):
        helped = CliRunner().invoke(cli.app, [command, "--help"])
        assert helped.exit_code == 0
        assert len(helped.output.splitlines()) > 5


@pytest.mark.subprocess
def test_importing_datagen_imports_neither_ray_nor_torch_nor_pixels() -> None:
    code = "import sys, datagen, datagen.cli; print([m for m in ('ray', 'torch', 'numpy', 'cv2') if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


@pytest.mark.subprocess
def test_check_imports_neither_ray_nor_the_reader_of_parquet() -> None:
    code = (
        "import sys\nfrom datagen.pipeline.config import load\nfrom datagen.pipeline.graph import build\nfrom pathlib import Path\n"
        "build(load(Path('configs/subject_add.yaml')))\n"
        "print([m for m in ('ray', 'torch', 'pyarrow', 'skimage', 'webdataset') if m in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_run_verify_and_show(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, out = toy_config(tmp_path, STAGES, rows=plain_rows(20)), tmp_path / "out"
    code, output, _ = call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    assert code == cli.OK
    assert "20 sources became" in output
    assert "rejected by sift/unlucky" in output
    assert f"python -m datagen verify {out}" in output

    code, output, _ = call("verify", out, capfd=capfd)
    assert (code, output) == (cli.OK, f"{out}: whole; shards, index and ledger agree\n")

    key = json.loads((out / "dataset.json").read_text())["shards"] and _keys(out)[0]
    code, output, _ = call("show", out, key, capfd=capfd)
    assert code == cli.OK
    assert "expanded by fan_out" in output
    assert "member  target.png" in output


def _keys(out: Path) -> list[str]:
    import datagen

    return [sample.key for sample in datagen.open(str(out))]


def test_show_tells_why_a_record_was_rejected(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, out = toy_config(tmp_path, [{"use": "sift", "with": {"share": 1}}, PAINT]), tmp_path / "out"
    assert call("run", config, "--engine", "local", "--out", out, capfd=capfd)[0] == cli.OK
    code, output, _ = call("show", out, "r3", capfd=capfd)
    assert code == cli.OK
    assert "r3  rejected by sift: unlucky" in output
    assert "score   contrast = 0." in output
    code, _, output = call("show", out, "r99", capfd=capfd)
    assert code == cli.WRONG
    assert "there is no sample with the key 'r99' and no record with that id" in output


def test_show_takes_a_rejected_childs_id_spelt_like_a_key(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = [{"use": "fan_out"}, {"use": "sift", "with": {"share": 1}}, PAINT]
    config, out = toy_config(tmp_path, stages, rows=plain_rows(12)), tmp_path / "out"
    call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    child = next(id for id in ledger_rows(out) if "#" in id)
    code, output, _ = call("show", out, child.replace("#", "__"), capfd=capfd)
    assert code == cli.OK
    assert f"{child}  rejected by sift: unlucky" in output


def test_failed_records_are_exit_code_3_and_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = plain_rows(4)
    rows[2]["caption"] = "bomb"
    config, out = toy_config(tmp_path, [{"use": "blow_up"}, PAINT], rows=rows), tmp_path / "out"
    code, output, _ = call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    assert code == cli.SOME_FAILED
    assert f"python -m datagen show {out} r2" in output


def test_hostile_ids_are_quoted_in_the_commands_that_are_suggested(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    row = {"uri": "x", "caption": "bomb"}
    rows = [{"id": "$(touch pwned) \x1b[31m", **row}, {"id": "y" * 5000, **row}]
    config, out = toy_config(tmp_path, [{"use": "blow_up"}, PAINT], rows=rows), tmp_path / "out"
    _, output, _ = call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    assert f"python -m datagen show {out} '$(touch pwned) \\x1b[31m'" in output
    assert "\x1b" not in output
    assert max(len(line) for line in output.splitlines()) < 500


def test_limit_takes_the_first_rows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, out = toy_config(tmp_path, [PAINT], rows=plain_rows(20)), tmp_path / "out"
    _, output, _ = call("run", config, "--engine", "local", "--out", out, "--limit", "5", capfd=capfd)
    assert "5 sources became 5 records" in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "nowhere.yaml"], "error: nowhere.yaml: there is no such file"),
        (
            ["describe", "segment_subjekt"],
            "error: there is no stage or topic 'segment_subjekt'; did you mean 'segment_subject'?",
        ),
        (["verify", "nowhere"], "error: "),
        (["show", "nowhere", "x"], "error: "),
    ],
)
def test_a_mistake_gets_a_line_and_exit_code_2(
    tmp_path: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path / word) if word == "nowhere" else word for word in words]
    code, _, errors = call(*words, capfd=capfd)
    assert code == cli.WRONG
    assert errors.startswith(message)
    assert "Traceback" not in errors


def test_an_out_of_another_pipeline_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, out = toy_config(tmp_path, [PAINT]), tmp_path / "out"
    assert call("run", config, "--engine", "local", "--out", out, capfd=capfd)[0] == cli.OK
    config.write_text(config.read_text().replace("pipeline: toy", "pipeline: other"))
    code, _, errors = call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    assert code == cli.WRONG
    assert errors == f"error: {out} holds the output of pipeline 'toy'; give 'other' another --out\n"


def test_a_folder_with_other_files_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, out = toy_config(tmp_path, [PAINT]), tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    code, _, errors = call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    assert code == cli.WRONG
    assert "has other files in it, and datagen did not write them; give another --out" in errors


def test_an_empty_or_missing_manifest_ends_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [PAINT])
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("")
    code, _, errors = call("run", config, "--engine", "local", "--out", tmp_path / "out", capfd=capfd)
    assert code == cli.WRONG
    assert errors == f"error: {config}:6: {manifest}: holds no rows; a manifest has one JSON object a line\n"
    manifest.unlink()
    code, _, errors = call("check", config, capfd=capfd)
    assert code == cli.WRONG
    assert f"error: {config}:6: {manifest}: there is no such manifest" in errors


def test_the_resolved_config_runs_again_to_the_same_dataset(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, out = toy_config(tmp_path, STAGES), tmp_path / "out"
    call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    resolved = out / "run" / "config.yaml"
    code, output, _ = call("run", resolved, "--engine", "local", "--out", out, capfd=capfd)
    assert code == cli.OK
    assert "3 of 3 slices were done before" in output


@pytest.mark.subprocess
def test_ctrl_c_ends_after_the_slices_in_flight_and_the_same_command_goes_on(tmp_path: Path) -> None:
    config = toy_config(tmp_path, [{"use": "dawdle"}, PAINT], rows=plain_rows(9))
    words = [sys.executable, "-m", "datagen", "run", str(config), "--engine", "local", "--out"]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([".", "tests"])}
    with subprocess.Popen([*words, str(tmp_path / "out")], env=paths, stderr=subprocess.PIPE, text=True) as running:
        while not list(tmp_path.glob("out/run/ledger/*/*.parquet")):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        assert running.stderr
        text = running.stderr.read()
    assert running.returncode == cli.INTERRUPTED
    assert "stopping after the slices in flight" in text
    assert "interrupted; the same command goes on from here" in text
    assert not (tmp_path / "out" / "dataset.json").exists()
    done = len(list(tmp_path.glob("out/run/ledger/*/0*.parquet")))
    again = subprocess.run([*words, str(tmp_path / "out")], env=paths, capture_output=True, text=True, check=True)
    assert f"{done} of 3 slices were done before" in again.stdout
    subprocess.run([*words, str(tmp_path / "whole")], env=paths, capture_output=True, check=True)
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "whole")


def test_ctrl_c_while_ray_starts_is_no_fault_of_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sends it to Ray's processes too, of which one ends."""
    watcher = Quiet()

    @contextmanager
    def starts(*_: object) -> Iterator[None]:
        watcher.stopping = True
        raise SetupError("Ray did not start on this machine")
        yield

    graph = toy_graph(tmp_path, [PAINT])
    monkeypatch.setattr(running_module, "_engine", starts)
    with pytest.raises(KeyboardInterrupt):
        running_module.run(graph, out=str(tmp_path / "out"), options=RunOptions("local"), watcher=watcher)


def test_ctrl_c_while_commands_are_imported_leaves_no_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    ends: list[int] = []
    monkeypatch.setitem(sys.modules, "datagen.cli", Interrupted("datagen.cli"))
    monkeypatch.setattr("atexit._run_exitfuncs", lambda: None)
    monkeypatch.setattr("os._exit", ends.append)
    leave()
    assert ends == [cli.INTERRUPTED]


def test_interrupted_is_130(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [{"use": "interrupt"}, PAINT])
    code, _, errors = call("run", config, "--engine", "local", "--out", tmp_path / "out", capfd=capfd)
    assert code == cli.INTERRUPTED
    assert "interrupted; the same command goes on from here" in errors


@pytest.mark.parametrize(
    "topic", ["stages", "fields", "sources", "models", "config", "segment_subject", "write_instruction"]
)
def test_describe_tells_every_topic(topic: str) -> None:
    found = describe(topic)
    assert len(found.splitlines()) > 3
    assert "None" not in found
    assert "object at 0x" not in found
