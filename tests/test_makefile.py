"""The Makefile's `check`, `test` and `test-all`, with stand-ins for what they run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.subprocess
ROOT = Path(__file__).resolve().parent.parent
WAITS = "trap 'touch $0.ended; exit 130' INT; touch $0.began; while :; do sleep 0.05; done"


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """The programs of a virtual environment, which say that they ran and end well."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    folder = tmp_path / "venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "ruff", "mypy", "lint-imports"):
        stand_in(folder, name, f"echo '{name}' \"$@\"")
    for name in ("base", "dev"):
        (folder.parent / name).touch()
    return folder


def stand_in(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def begin(bin: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", f"VENV={bin.parent}", *words],
        cwd=ROOT,
        env={name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(("target", "ring"), [("check", "check"), ("test", "test"), ("test-all", "all")])
def test_a_target_runs_style_tests_and_types(bin: Path, target: str, ring: str) -> None:
    with begin(bin, target) as made:
        assert made.stdout
        text = made.stdout.read()
    assert made.returncode == 0, text
    assert f"--ring {ring}" in text
    ran = [line.strip() for line in text.splitlines() if line.startswith(("ruff ", "mypy", "lint-imports"))]
    assert ran == ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]


@pytest.mark.parametrize("name", ["ruff", "python", "mypy", "lint-imports"])
def test_whatever_fails_fails_the_target_and_is_shown(bin: Path, name: str) -> None:
    stand_in(bin, name, f"echo what {name} found; exit 1")
    other = "mypy" if name == "python" else "python"
    stand_in(bin, other, f"sleep 0.2; echo what {other} found")
    with begin(bin, "check") as made:
        assert made.stdout
        text = made.stdout.read()
    assert made.returncode == 2
    assert f"what {name} found" in text
    assert (f"what {other} found" in text) == (name != "ruff"), "tests and types go on though the others fail"


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_tests_and_types(bin: Path) -> None:
    for name in ("python", "mypy"):
        stand_in(bin, name, WAITS)
    with begin(bin, "check") as made:
        until = time.monotonic() + 60
        while len(list(bin.glob("*.began"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        os.killpg(made.pid, signal.SIGINT)  # as a terminal does
        try:
            made.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(made.pid, signal.SIGKILL)
            raise
    assert made.returncode != 0
    assert {path.stem for path in bin.glob("*.ended")} == {"python", "mypy"}
