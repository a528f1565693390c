"""Every command and program in the README and in docs/ runs, and what is generated is up to date."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from building import PAINT, ledger_rows, run_local, toy_graph
from conftest import ROOT, Demo

from datagen.execute.inspect.plan import as_mermaid
from datagen.pipeline.config import load, loaded
from datagen.pipeline.describe import config_reference
from datagen.pipeline.graph import build
from datagen.pipeline.yaml_file import parse_yaml

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
THIS_MACHINE = re.compile(r"/(work|root|tmp/bash_jobs|home)/")


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def _commands() -> list[str]:
    lines = [line for page in PAGES for block in _blocks(page, "bash") for line in block.splitlines()]
    return list(dict.fromkeys(line.partition(" #")[0].strip() for line in lines if line.strip()))


@pytest.mark.parametrize("command", _commands())
def test_a_command_in_the_docs_runs(demo: Demo, command: str) -> None:
    done = demo.call(*shlex.split(command))
    assert done.returncode == 0, done.stderr
    assert done.stdout


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


def test_the_config_reference_is_that_of_the_models() -> None:
    told = (ROOT / "docs" / "config.md").read_text()
    assert told == config_reference() + "\n", "write it anew: python -m datagen describe config > docs/config.md"


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
