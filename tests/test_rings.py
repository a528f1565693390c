"""The rings of tests: what each runs, how many examples, and that the ring `check` holds markers to the truth."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import settings
from rings import PROFILES, RINGS, example_count, module_markers

NEEDS = {
    "torch": "import torch",
    "ray": "from ray import util",
    "s3": "import moto.server",
    "browser": "import playwright.sync_api",
    "subprocess": "subprocess.run([sys.executable, '-c', ''])",
    "subprocess by multiprocessing": "multiprocessing.get_context('spawn').Process(target=print).start()",
    "subprocess by a fork": "os._exit(0) if os.fork() == 0 else None",
    "subprocess by a shell": "os.system('true')",
    "torch, and catches what stops it": "try: import torch\n    except Exception: pass",
}
HEAD = "import multiprocessing, os, subprocess, sys\nimport pytest\n\n"


def _ran(folder: Path, ring: str) -> str:
    options = ["-p", "rings", "-p", "no:cacheprovider", "-rA", "--continue-on-collection-errors", "--ring", ring]
    command = [sys.executable, "-m", "pytest", *options]
    paths = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, cwd=folder, env=paths, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@pytest.mark.subprocess
def test_the_ring_check_fails_what_lacks_its_marker_by_name(tmp_path: Path) -> None:
    tests = "\n".join(f"def test_{number}():\n    {code}\n" for number, code in enumerate(NEEDS.values()))
    (tmp_path / "test_needs.py").write_text(f"{HEAD}{tests}\ndef test_plain():\n    import json\n")
    fixture = "@pytest.fixture\ndef ray():\n    import ray\n\ndef test_set_up(ray):\n    pass\n"
    (tmp_path / "test_fixture.py").write_text(HEAD + fixture)
    (tmp_path / "test_top.py").write_text("import torch\n\ndef test_it():\n    pass\n")
    result = _ran(tmp_path, "check")
    for number, need in enumerate(NEEDS):
        marker = re.split(r"\W", need)[0]
        assert re.search(rf"^test_needs.py::test_{number} .*: mark it with pytest.mark.{marker}$", result, re.M), result
        assert f"FAILED test_needs.py::test_{number} " in result
    assert "PASSED test_needs.py::test_plain" in result
    assert "test_fixture.py::test_set_up imports ray: mark it with pytest.mark.ray" in result
    assert "test_top.py, as a module, imports torch: mark it with pytest.mark.torch" in result


@pytest.mark.subprocess
@pytest.mark.parametrize(("ring", "passed"), [("check", {"plain"}), ("test", {"plain", "marked", "module", "torch"})])
def test_a_ring_leaves_out_what_is_marked(tmp_path: Path, ring: str, passed: set[str]) -> None:
    marked = "@pytest.mark.subprocess\ndef test_marked():\n    subprocess.run(['true'])\n"
    full = "@pytest.mark.full\ndef test_full():\n    assert False\n"
    (tmp_path / "test_single.py").write_text(f"{HEAD}{marked}\n{full}\ndef test_plain():\n    pass\n")
    module = (
        "pytestmark = [pytest.mark.filterwarnings('error'), pytest.mark.subprocess]\n\ndef test_module():\n    pass\n"
    )
    (tmp_path / "test_module.py").write_text(HEAD + "subprocess.run(['true'])\n" + module)
    (tmp_path / "test_torch.py").write_text(HEAD + "pytestmark = pytest.mark.torch\n\ndef test_torch():\n    pass\n")
    result = _ran(tmp_path, ring)
    assert set(re.findall(r"^PASSED \w+\.py::test_(\w+)$", result, re.M)) == passed
    assert not re.search(r"^(FAILED|ERROR)", result, re.M), result


def test_the_markers_of_a_module_are_read_from_its_text() -> None:
    assert module_markers("import pytest\npytestmark = pytest.mark.ray\n") == {"ray"}
    assert module_markers("pytestmark = [pytest.mark.s3, pytest.mark.skipif(True, reason='x')]\n") == {"s3"}
    assert module_markers("@pytest.mark.torch\ndef test_it():\n    pytestmark = 3\n") == set()


def test_each_ring_has_a_profile_of_examples() -> None:
    assert RINGS.keys() == PROFILES.keys()
    assert (settings.get_profile("full").max_examples, settings.get_profile("push").max_examples) == (100, 25)
    assert example_count(200) == 2 * settings.default.max_examples
    assert example_count(1) == 1


def test_what_only_make_test_all_runs_says_why() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines):
            if "pytest.mark.full" in line and path != Path(__file__).resolve():
                assert "#" in line or "#" in lines[number - 1], f"{path}:{number + 1} needs its reason in a comment"
