"""`RunContext`: what a run goes by is derived once, and handed on."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, Quiet, context_of, plain_rows, run_local, toy_config, toy_graph
from commands import call

from datagen import cli
from datagen.execute.inspect.estimate import estimate
from datagen.execute.maintain.gc import free
from datagen.execute.reuse import code_versions as code
from datagen.execute.reuse import fingerprints
from datagen.execute.reuse.code_versions import CodeBook, settle_code
from datagen.execute.reuse.fingerprints import stage_fingerprints
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.reuse.run_manifest import LAST
from datagen.execute.run import How, run
from datagen.pipeline.graph_model import Graph, Node
from datagen.storage.store import Store

STAGES: list[dict[str, Any]] = [
    {"use": "sift", "with": {"share": 0.1}, "durable": True},
    {"use": "note", "map": {"o0": "caption", "out": "n0"}},
    {"use": "fan_out"},
    {"use": "gather"},
    PAINT,
]
IDS = [stage["use"] for stage in STAGES]
ONCE = dict.fromkeys([*IDS, "the run", *(f"code of {id}" for id in IDS)], 1)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each stage was hashed, by its id and salt, its code, and the run; whichever module asks for it."""
    counts: Counter[str] = Counter()
    of_stage, of_run, of_code = fingerprints.stage_fingerprint, fingerprints.run_fingerprint, code.code_hash

    def stage_fingerprint(node: Node, *, salt: str | None = None, **more: Any) -> str:
        counts[node.id if salt is None else f"{node.id} with {salt}"] += 1
        return of_stage(node, salt=salt, **more)

    def run_fingerprint(graph: Graph, *, stage_fingerprints: Mapping[str, str]) -> str:
        counts["the run"] += 1
        return of_run(graph, stage_fingerprints=stage_fingerprints)

    def code_hash(node: Node, **more: Any) -> str:
        counts[f"code of {node.id}"] += 1
        return of_code(node, **more)

    for module in [module for name, module in sys.modules.items() if name.startswith("datagen.")]:
        for counting in (stage_fingerprint, run_fingerprint, code_hash):
            if getattr(module, counting.__name__, None) in (of_stage, of_run, of_code):
                monkeypatch.setattr(module, counting.__name__, counting)
    return counts


def change_code(monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
    """As if these stages' code were other than it is."""
    known = code.code_hash

    def code_hash(node: Node, **more: Any) -> str:
        before = known(node, **more)
        return f"new code of {node.id}" if node.id in ids else before

    monkeypatch.setattr(code, "code_hash", code_hash)


def test_a_run_and_one_that_goes_on_hash_each_stage_once(tmp_path: Path, hashed: Counter[str]) -> None:
    graph = toy_graph(tmp_path, STAGES)
    run_local(graph, tmp_path / "out", limit=3)
    assert hashed == ONCE
    hashed.clear()
    run_local(graph, tmp_path / "out")
    assert hashed == ONCE


def test_a_retry_a_plan_and_an_estimate_hash_each_stage_once(
    tmp_path: Path, hashed: Counter[str], capfd: pytest.CaptureFixture[str]
) -> None:
    config, out = toy_config(tmp_path, STAGES, rows=plain_rows(20)), tmp_path / "out"
    graph = toy_graph(tmp_path, STAGES, rows=plain_rows(20))
    run_local(graph, out)
    hashed.clear()
    run(graph, out=str(out), how=How("local", retry=True), watcher=Quiet())
    assert hashed == ONCE
    hashed.clear()
    assert call("plan", config, "--out", out, capfd=capfd).code == cli.OK
    assert hashed == ONCE
    hashed.clear()
    assert call("plan", config, "--out", out, "--json", capfd=capfd).code == cli.OK
    assert hashed == ONCE
    hashed.clear()
    estimate(graph, draws=10, watcher=Quiet())
    assert hashed == ONCE


def test_gc_hashes_each_stage_at_most_once(tmp_path: Path, hashed: Counter[str]) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, STAGES), out)
    hashed.clear()
    free(str(out))
    assert not hashed, "OUT says which run was the last one"
    (out / LAST).unlink()
    free(str(out))
    assert hashed == ONCE


def test_a_stage_with_a_salt_is_hashed_once_without_it_and_once_with_it(
    tmp_path: Path, hashed: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, out = toy_graph(tmp_path, STAGES), tmp_path / "out"
    run_local(graph, out)
    change_code(monkeypatch, "sift", "note")
    hashed.clear()
    run(graph, out=str(out), how=How("local", code="rerun"), watcher=Quiet())
    assert hashed == ONCE | {"sift with new code of sift": 1, "note with new code of note": 1}
    hashed.clear()
    run_local(graph, out)
    assert hashed == ONCE | {"sift with new code of sift": 1, "note with new code of note": 1}


def test_fingerprints_settled_node_by_node_are_those_of_the_whole_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, store = toy_graph(tmp_path, STAGES), Store(str(tmp_path / "out"))
    plain = context_of(graph, tmp_path / "out")
    assert list(plain.stage_fingerprints) == IDS
    settled = settle_code(graph, store=store)
    assert settled.context.stage_fingerprints == plain.stage_fingerprints == stage_fingerprints(graph)
    assert settled.context.fingerprint == plain.fingerprint
    settled.book.write(store)
    change_code(monkeypatch, "note")
    again = settle_code(graph, store=store, choice="rerun").context
    assert again.salts == {"note": "new code of note"}
    assert again.stage_fingerprints == stage_fingerprints(graph, salts=again.salts)
    assert again.fingerprint == RunContext.of(graph, store=store, salts=again.salts).fingerprint != plain.fingerprint


def test_an_empty_salt_counts_as_one(tmp_path: Path) -> None:
    graph, store = toy_graph(tmp_path, STAGES), Store(str(tmp_path / "out"))
    plain = stage_fingerprints(graph)
    CodeBook(salts={plain["sift"]: ""}).write(store)
    context = settle_code(graph, store=store).context
    assert context.salts == {"sift": ""}
    assert context.stage_fingerprints == stage_fingerprints(graph, salts={"sift": ""}) != plain


def test_a_context_does_not_change_and_can_be_pickled(tmp_path: Path) -> None:
    context = context_of(toy_graph(tmp_path, STAGES), tmp_path / "out")
    with pytest.raises(FrozenInstanceError):
        context.fingerprint = "another"  # type: ignore[misc]
    copy = pickle.loads(pickle.dumps(context))
    assert (copy.fingerprint, copy.stage_fingerprints) == (context.fingerprint, context.stage_fingerprints)
    assert copy.store.address == context.store.address
    assert stage_fingerprints(copy.graph) == context.stage_fingerprints
