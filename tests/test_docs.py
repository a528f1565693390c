"""Every command and program in the README and in docs/ runs, and what is generated is up to date."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, ledger_rows, run_local, toy_graph
from commands import call
from conftest import ROOT, Demo

from datagen.evaluate.reference import evaluation_reference
from datagen.execute.inspect.plan import as_mermaid
from datagen.pipeline.config import load, loaded
from datagen.pipeline.describe import config_reference
from datagen.pipeline.graph import build
from datagen.pipeline.yaml_file import parse_yaml
from datagen.train.reference import training_reference

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
THIS_MACHINE = re.compile(r"/(work|root|tmp/bash_jobs|home)/")


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def _commands() -> list[str]:
    lines = [line for page in PAGES for block in _blocks(page, "bash") for line in block.splitlines()]
    return list(dict.fromkeys(line.partition(" #")[0].strip() for line in lines if line.strip()))


WITHOUT_A_DATASET = ("check", "describe")
OWN_PROCESS = ("run", "retry")
"""What may start Ray; runs on the local engine do not."""


def _command(text: str) -> Any:
    """A command as a parameter, with the markers of what it needs: most need the demo's dataset."""
    words = shlex.split(text)
    alone = words[1:3] == ["-m", "datagen"] and words[3] in WITHOUT_A_DATASET
    return pytest.param(words, id=text, marks=[] if alone else [pytest.mark.ray, pytest.mark.subprocess])


@pytest.mark.parametrize("words", [_command(text) for text in _commands()])
def test_a_command_in_the_docs_runs(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Those of datagen that start no Ray run in this process, which has imported everything already."""
    name = words[3] if words[1:3] == ["-m", "datagen"] else ""
    if name and (name not in OWN_PROCESS or "local" in words):
        monkeypatch.chdir(ROOT if name in WITHOUT_A_DATASET else request.getfixturevalue("demo").folder)
        monkeypatch.setenv("COLUMNS", "200")
        code, out, errors = call(*words[3:], capfd=capfd)
    else:
        done = request.getfixturevalue("demo").call(*words)
        code, out, errors = done.returncode, done.stdout, done.stderr
    assert code == 0, errors
    assert out


@pytest.mark.ray
@pytest.mark.subprocess
@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page, "python")], ids=lambda page: page.name)
def test_a_program_in_the_docs_runs(demo: Demo, page: Path) -> None:
    for block in _blocks(page, "python"):
        done = demo.call(sys.executable, "-c", block)
        assert done.returncode == 0, done.stderr
        assert done.stdout


WHOLE = [(page, block) for page in PAGES for block in _blocks(page, "yaml") if block.startswith("pipeline:")]


@pytest.mark.parametrize(("page", "block"), WHOLE, ids=[page.name for page, _ in WHOLE])
def test_a_whole_config_in_the_docs_is_sound(page: Path, block: str) -> None:
    assert build(loaded(parse_yaml(block, name=page.name))).nodes


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_of_json_is_json(page: Path) -> None:
    for block in _blocks(page, "json"):
        assert [json.loads(line) for line in block.splitlines()]


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    named = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", index.read_text())}
    assert {page.name for page in PAGES} - {"README.md", "index.md"} - named == set()


def test_the_stage_in_contributing_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain_plugin").mkdir()
    (tmp_path / "plain_plugin" / "__init__.py").touch()
    (tmp_path / "plain_plugin" / "filter_plain.py").write_text(_blocks(ROOT / "CONTRIBUTING.md", "python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    stages = [{"use": "sift", "with": {"share": 0}}, {"use": "filter_plain", "with": {"min_contrast": 0.5}}, PAINT]
    run_local(toy_graph(tmp_path, stages, plugins=["toys", "plain_plugin"]), tmp_path / "out")
    ends = {(row["status"], row["reason"]) for row in ledger_rows(tmp_path / "out").values()}
    assert ends == {("accepted", ""), ("rejected", "plain")}


def test_the_training_reference_is_that_of_the_models() -> None:
    text = (ROOT / "docs" / "training-config.md").read_text()
    assert text == training_reference() + "\n", (
        "write anew: python -m datagen describe training > docs/training-config.md"
    )


def test_the_evaluation_reference_is_that_of_the_models() -> None:
    text = (ROOT / "docs" / "evaluation-config.md").read_text()
    assert text == evaluation_reference() + "\n", (
        "write anew: python -m datagen describe evaluation > docs/evaluation-config.md"
    )


def test_the_config_reference_is_that_of_the_models() -> None:
    text = (ROOT / "docs" / "config.md").read_text()
    assert text == config_reference() + "\n", "write it anew: python -m datagen describe config > docs/config.md"


def test_the_readme_shows_the_graph_that_runs() -> None:
    graph = as_mermaid(build(load(Path("configs/subject_add.yaml"))))
    assert _blocks(ROOT / "README.md", "mermaid") == [graph + "\n"]


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "manifests" / "README.md"], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, place in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        if "://" in target:
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not place or place in _places(there), f"{target}#{place}"


def _places(page: Path) -> set[str]:
    """The anchors that a page's headings have on the sites that show Markdown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_no_path_of_a_machine_is_in_what_is_shipped() -> None:
    kinds = ("*.md", "*.py", "*.yaml", "*.toml", "*.jsonl", "Makefile")
    folders = ("datagen", "stages", "configs", "manifests", "docs", "benchmarks", "tests")
    files = [path for folder in folders for kind in kinds for path in (ROOT / folder).rglob(kind)]
    assert len(files) > 50
    for path in [*files, ROOT / "README.md", ROOT / "pyproject.toml", ROOT / "Makefile"]:
        if path != Path(__file__).resolve():
            assert not THIS_MACHINE.search(path.read_text()), path
