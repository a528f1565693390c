"""What the code never does, and that the table of faults is true: a test behind each row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import ROOT

FAULTS = ROOT / "docs" / "faults.md"
FILES = sorted(path for folder in ("datagen", "stages") for path in (ROOT / folder).rglob("*.py"))

UNPICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
CALLS = {
    "eval", "exec", "__import__", "os.system", "os.popen", "yaml.load", "yaml.load_all", "yaml.full_load",
    "yaml.unsafe_load", "pd.read_pickle", "pandas.read_pickle", "pa.deserialize", "html.unescape",
}  # fmt: skip
ALLOWED = {
    (
        "datagen/execute/engines/actors.py",
        "cloudpickle",
    ): "stages travel to Ray's actors, as Ray's own arguments do; no data",
}


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _says(call: ast.Call, name: str, value: object) -> bool:
    return any(
        word.arg == name and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in call.keywords
    )


def _found(tree: ast.AST) -> Iterator[str]:
    """What a module does that may run what is only data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from {alias.name.split(".")[0] for alias in node.names} & UNPICKLERS
        elif isinstance(node, ast.ImportFrom):
            yield from {(node.module or "").split(".")[0], *(alias.name for alias in node.names)} & UNPICKLERS
        elif isinstance(node, ast.Call):
            name = _dotted(node.func)
            yield from {name} & CALLS
            if _says(node, "shell", True):
                yield "shell=True"
            if _says(node, "allow_pickle", True):
                yield "allow_pickle=True"
            if name == "torch.load" and not _says(node, "weights_only", True):
                yield "torch.load without weights_only=True"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", "pickle"),
        ("from ray import cloudpickle", "cloudpickle"),
        ("yaml.load(text)", "yaml.load"),
        ("subprocess.run('ls', shell=True)", "shell=True"),
        ("torch.load(path)", "torch.load without weights_only=True"),
        ("torch.load(path, weights_only=False)", "torch.load without weights_only=True"),
        ("np.load(path, allow_pickle=True)", "allow_pickle=True"),
        ("eval('1')", "eval"),
    ],
)
def test_the_rule_finds_what_it_forbids(code: str, found: str) -> None:
    assert set(_found(ast.parse(code))) == {found}


def test_nothing_unpickles_evaluates_or_calls_a_shell() -> None:
    assert len(FILES) > 100
    text = {(str(path.relative_to(ROOT)), what) for path in FILES for what in _found(ast.parse(path.read_text()))}
    assert text - ALLOWED.keys() == set()
    assert ALLOWED.keys() - text == set(), "no exception that is not needed"


def test_nothing_listens_on_all_addresses() -> None:
    assert not [
        path for path in FILES if re.search(r"0\.0\.0\.0|host[\"']?\s*[:=]\s*[\"'](::)?[\"']", path.read_text())
    ]


def _tests_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def _rows() -> list[str]:
    lines = FAULTS.read_text().partition("\n## Fuzzing\n")[0].splitlines()
    return [
        line for before, line in pairwise(lines)
        if line.startswith("| ") and not line.startswith("| ---") and before.startswith("|")
    ]  # fmt: skip


def _named(row: str) -> list[tuple[str, str]]:
    return re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)


def test_behind_each_row_of_the_table_of_faults_stands_a_test() -> None:
    rows = _rows()
    assert len(rows) > 50
    for row in rows:
        assert _named(row), f"no test stands behind: {row}"
        for file, test in _named(row):
            assert test in _tests_in(ROOT / "tests" / file), f"there is no {file}::{test}"


def test_each_test_of_faults_stands_in_the_table() -> None:
    named = {pair for row in _rows() for pair in _named(row)}
    own = {(path.name, test) for path in sorted((ROOT / "tests").glob("test_wrong_*.py")) for test in _tests_in(path)}
    assert own - named == set()
