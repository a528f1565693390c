"""The demo, made once for all tests that look at it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from chat_server import Chat, chatting
from filelock import FileLock

pytest_plugins = ["rings"]

ROOT = Path(__file__).resolve().parent.parent
DEMO_SECONDS = 300


class Demo(NamedTuple):
    """A folder like a fresh clone in which the demo was run."""

    folder: Path
    text: str

    @property
    def out(self) -> Path:
        """The dataset."""
        return self.folder / "out" / "subject_add"

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder."""
        return call_in(self.folder, *words)


def call_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder` with this environment's Python first on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        words, cwd=folder, env=variables, capture_output=True, text=True, timeout=DEMO_SECONDS, check=False
    )


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let programs be interrupted where tests run in the background of a shell, which has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo, run on Ray by the README's command: once for all of pytest's workers, a copy for each."""
    own = tmp_path_factory.mktemp("clone")
    shared = own.parent.parent / "demo" if "PYTEST_XDIST_WORKER" in os.environ else own.parent / "demo"
    with FileLock(f"{shared}.lock"):
        if not (shared / "told.txt").exists():
            _make_demo(shared)
    shutil.copytree(shared, own, symlinks=True, dirs_exist_ok=True)
    return Demo(own, (shared / "told.txt").read_text())


def _make_demo(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("configs", "manifests", "docs", "stages"):
        (folder / name).symlink_to(ROOT / name)
    done = call_in(folder, "python", "-m", "datagen", "run", "configs/subject_add.yaml")
    assert done.returncode == 0, done.stderr
    (folder / "told.txt").write_text(done.stdout)


@pytest.fixture(scope="module")
def module_chat() -> Iterator[Chat]:
    """A server of chat completions, one for all tests of a module."""
    with chatting() as server:
        yield server


@pytest.fixture
def chat(module_chat: Chat) -> Chat:
    """The module's server, without the requests and the delay of an earlier test."""
    module_chat.requests.clear()
    module_chat.delay = 0.0
    return module_chat


@pytest.fixture(scope="module")
def two_core_ray() -> Iterator[None]:
    """One small Ray for a module's tests."""
    import ray

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
