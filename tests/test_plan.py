"""Plans against an OUT: what is done, what is used again, what is to do, and why; and code that changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, Quiet, plain_rows, run_fingerprint, run_local, toy_config, toy_graph
from commands import call

from datagen import cli
from datagen.execute.inspect.resume_plan import NOT_DURABLE, ResumePlan, plan_resume, resume_plan_text
from datagen.execute.reuse.code_versions import (
    CODE,
    Choice,
    CodeBook,
    code_hash,
    code_parts,
    settle_code,
    source_modules,
)
from datagen.execute.reuse.fingerprints import stage_fingerprints
from datagen.execute.reuse.run_manifest import LAST
from datagen.execute.run import RunOptions, run
from datagen.models.segmenters.grabcut import GrabCutConfig
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph
from datagen.storage.store import Store

SIFT: dict[str, Any] = {"use": "sift", "with": {"share": 0.1}}
BLOW = {"use": "blow_up"}


def looked(graph: Graph, folder: Path) -> ResumePlan:
    return outlook_of(graph, folder / "out")


def outlook_of(graph: Graph, out: Path, code: Choice = "") -> ResumePlan:
    return plan_resume(settle_code(graph, store=Store(str(out)), choice=code), out=str(out))


def why(found: ResumePlan) -> dict[str, list[str]]:
    return {stage.id: stage.why for stage in found.stages if stage.why}


def test_before_the_first_run_all_is_to_do_and_nothing_is_written(tmp_path: Path) -> None:
    found = looked(toy_graph(tmp_path, [SIFT, PAINT]), tmp_path)
    assert (found.slices, found.rows, found.done_slices, found.begun) == (3, 8, 0, False)
    assert {stage.state for stage in found.stages} == {"to do"}
    assert not (tmp_path / "out").exists()
    assert "(nothing was run into it yet)" in resume_plan_text(found)


def test_after_a_run_all_is_done_and_after_a_limited_one_a_part(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [SIFT, PAINT])
    run_local(graph, tmp_path / "out", limit=3)
    found = looked(graph, tmp_path)
    assert (found.done_slices, found.done_rows, found.new_slices) == (1, 3, 2)
    assert why(found) == {"sift": [NOT_DURABLE], "paint": [NOT_DURABLE]}
    run_local(graph, tmp_path / "out")
    found = looked(graph, tmp_path)
    assert (found.done_slices, found.done_rows, found.new_slices) == (3, 8, 0)
    assert {stage.state for stage in found.stages} == {"done"}
    assert why(found) == {}


def test_rows_that_were_added_are_new_slices(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, [SIFT, PAINT], rows=plain_rows(6)), tmp_path / "out")
    found = looked(toy_graph(tmp_path, [SIFT, PAINT], rows=plain_rows(10)), tmp_path)
    assert (found.slices, found.done_slices, found.new_slices) == (4, 2, 2)
    assert "2 slices are new: rows were added or changed" in resume_plan_text(found)


REUSED = {**SIFT, "durable": True}
CHANGES: dict[str, tuple[list[Any], dict[str, list[str]]]] = {
    "an option": ([{**REUSED, "with": {"share": 0.2}}, BLOW, PAINT], {"sift": ["option share: 0.1 -> 0.2"]}),
    "a condition": (
        [REUSED, {**BLOW, "when": {"caption": "c1"}}, PAINT],
        {"blow_up": ["when: none -> caption = c1"]},
    ),
    "a map": (
        [{**REUSED, "map": {"contrast": "clipped"}}, BLOW, PAINT],
        {"sift": ["map: none -> contrast is clipped", "writes: contrast is score -> clipped is score"]},
    ),
    "a new stage": ([REUSED, BLOW, {"use": "fan_out"}, PAINT], {"fan_out": ["new stage"], "paint": ["depends on 'fan_out', which it did not"]}),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_the_reason_is_told(tmp_path: Path, case: str) -> None:
    run_local(toy_graph(tmp_path, [REUSED, BLOW, PAINT]), tmp_path / "out")
    stages, expected = CHANGES[case]
    stages = [{**stage, "durable": True} for stage in stages]
    assert why(looked(toy_graph(tmp_path, stages), tmp_path)) == expected


def test_a_version_a_revision_and_what_depends_on_them_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = [{"use": "trace"}, {"use": "fan_out", "durable": True}, {**PAINT, "durable": True}]
    graph = toy_graph(tmp_path, stages)
    run_local(graph, tmp_path / "out")
    monkeypatch.setattr(GrabCutConfig, "version", 9)
    monkeypatch.setattr(graph.nodes[1].stage, "version", 2)
    assert why(looked(toy_graph(tmp_path, stages), tmp_path)) == {
        "trace": ["model revision grabcut@1 -> grabcut@9"],
        "fan_out": ["version 1 -> 2"],
        "paint": ["depends on 'fan_out', which changed"],
    }


def test_answers_that_are_kept_are_counted(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, [REUSED, PAINT]), tmp_path / "out")
    graph = toy_graph(tmp_path, [REUSED, {**PAINT, "with": {"side": 5}}])
    print = stage_fingerprints(graph)["sift"]
    names = [path.stem for path in sorted((tmp_path / "out/run/ledger").glob("*/0*.parquet"))]
    folder = tmp_path / "out/run/checkpoints" / print
    for name in names[1:]:
        (folder / f"{name}.arrow").unlink()
    (folder / "000009-0123456789ab.arrow").touch()
    found = looked(graph, tmp_path).stages[0]
    assert (found.state, found.kept) == ("to do", 1)
    assert "to do, answers kept for 1 of 3 slices" in resume_plan_text(looked(graph, tmp_path))
    for name in names[1:]:
        (folder / f"{name}.1.arrow").touch()
    found = looked(graph, tmp_path).stages[0]
    assert (found.state, found.kept) == ("reused", 3)


def test_answers_are_kept_where_a_stage_is_dear_or_the_config_says_so(tmp_path: Path) -> None:
    stages = [
        {"use": "trace"},
        {"use": "ask"},
        SIFT,
        {"use": "pay", "resources": {"gpus": 1}},
        {**BLOW, "map": {"task": "label"}},
    ]
    stages += [{"use": "note", "durable": True}, {**PAINT, "durable": False}]
    durable = {node.id for node in toy_graph(tmp_path, stages).nodes if node.durable}
    assert durable == {"trace", "ask", "pay", "note"}


@pytest.mark.parametrize("text", ["{", "[]", '{"fingerprint": 7}'])
def test_damaged_notes_of_the_last_run_count_as_none(tmp_path: Path, text: str) -> None:
    graph = toy_graph(tmp_path, [SIFT, PAINT])
    run_local(graph, tmp_path / "out")
    (tmp_path / "out" / LAST).write_text(text)
    assert not looked(graph, tmp_path).begun


def test_the_command_tells_the_same_as_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, out = toy_config(tmp_path, [SIFT, PAINT]), tmp_path / "out"
    call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    code, output, _ = call("plan", config, "--out", out, "--set", "sift.share=0.5", capfd=capfd)
    assert code == cli.OK
    assert "sift   to do: option share: 0.1 -> 0.5" in output
    code, output, _ = call("plan", config, "--out", out, "--set", "sift.share=0.5", "--json", capfd=capfd)
    found = json.loads(output)
    assert (found["slices"], found["done_slices"], found["rows"]) == (3, 0, 8)
    assert found["stages"][0]["why"][0] == "option share: 0.1 -> 0.5"


# Code


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one stage, whose code can be changed."""
    package = tmp_path / f"plugin_{tmp_path.name.replace('-', '_')}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "add_caption.py").write_text(CODE_TEXT)
    (package / "_words.py").write_text("WORD = 'a'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


CODE_TEXT = '''from __future__ import annotations
from datagen import Map
from ._words import WORD


class AddCaption(Map):
    """Say a word."""

    writes = ("target_caption",)

    def process(self, batch):
        return [{"target_caption": WORD} for _ in batch]
'''


def graph_of(plugin: Path) -> Graph:
    return toy_graph(plugin.parent, [{"use": "add_caption"}, BLOW, PAINT], plugins=["toys", plugin.name])


def test_comments_docstrings_and_formatting_are_no_other_code(plugin: Path) -> None:
    graph = graph_of(plugin)
    before = code_hash(graph.nodes[0])
    module = plugin / "add_caption.py"
    for text in (
        CODE_TEXT.replace('"""Say a word."""', '"""Another."""').replace("batch]", "batch  ]  # each"),
        CODE_TEXT.replace('    """Say a word."""\n', ""),
    ):
        module.write_text(text)
        assert code_hash(graph.nodes[0]) == before
    module.write_text(CODE_TEXT.replace('"target_caption": WORD', '"target_caption": WORD * 2'))
    assert code_hash(graph.nodes[0]) != before
    module.write_text(CODE_TEXT)
    (plugin / "_words.py").write_text("WORD = 'b'\n")
    assert code_hash(graph.nodes[0]) != before, "what it imports from its own package is its code too"


def test_a_models_implementation_is_code_of_its_stage(tmp_path: Path) -> None:
    node, again = (toy_graph(tmp_path, [{"use": "trace"}, PAINT]).nodes[0] for _ in range(2))
    found = code_parts(node, modules=source_modules())
    assert code_hash(node) == code_hash(again)
    assert "datagen.models.segmenters.grabcut" in found
    assert "datagen.models.segmenters.annotated" not in found


def change(plugin: Path, word: str) -> None:
    (plugin / "_words.py").write_text(f"WORD = '{word}'\n")


def said_by_run(graph: Graph, out: Path, code: Any = "") -> tuple[list[str], int]:
    watcher = Quiet()
    summary = run(graph, out=str(out), options=RunOptions("local", code=code), watcher=watcher)
    return watcher.messages, summary.computed


MESSAGES = (
    "stage 'add_caption': its code changed since its results were computed, its version did not; "
    "they are used again; --code rerun computes them anew"
)


def test_changed_code_is_said_until_it_is_settled(plugin: Path) -> None:
    graph, out = graph_of(plugin), plugin.parent / "out"
    assert said_by_run(graph, out) == ([], 3)
    change(plugin, "b")
    assert outlook_of(graph, out).notes == [MESSAGES]
    assert said_by_run(graph, out) == ([MESSAGES], 0)
    assert said_by_run(graph, out) == ([MESSAGES], 0), "it is said as long as nothing was decided"
    assert said_by_run(graph, out, "reuse") == ([], 0)
    assert said_by_run(graph, out) == ([], 0)


def test_a_rerun_gives_the_stage_a_fingerprint_of_its_own_that_stays(plugin: Path) -> None:
    graph, out = graph_of(plugin), plugin.parent / "out"
    said_by_run(graph, out)
    change(plugin, "b")
    planned = outlook_of(graph, out, "rerun")
    assert [stage.why[:1] for stage in planned.stages] == [["its code changed"], [NOT_DURABLE], [NOT_DURABLE]]
    assert outlook_of(graph, out).done_slices == 3, "a plan settles nothing"
    assert said_by_run(graph, out, "rerun") == ([], 3)
    assert said_by_run(graph, out) == ([], 0)
    assert said_by_run(graph, out, "rerun") == ([], 0), "computed with this code already"
    settled = settle_code(graph, store=Store(str(out)), choice="")
    assert settled.notes == []
    assert set(settled.context.salts) == {"add_caption"}
    expected = run_fingerprint(graph, salts=settled.context.salts)
    assert json.loads((out / "dataset.json").read_text())["fingerprint"] == expected
    change(plugin, "c")
    assert said_by_run(graph, out) == ([MESSAGES], 0)
    assert said_by_run(graph, out, "rerun") == ([], 3)


def test_a_rerun_is_that_of_dependants_too(plugin: Path) -> None:
    stages = [{"use": "add_caption"}, {"use": "note", "map": {"o0": "target_caption", "out": "n0"}}, BLOW, PAINT]
    graph = toy_graph(plugin.parent, stages, plugins=["toys", plugin.name])
    salted = stage_fingerprints(graph, salts={"add_caption": "x"})
    plain = stage_fingerprints(graph)
    assert {id for id in plain if plain[id] != salted[id]} == {"add_caption", "note"}


@pytest.mark.parametrize("text", ["{", "[]", '{"codes": {"a": 1}, "salts": {}}', '{"codes": 7, "salts": {}}', "\xff"])
def test_a_damaged_book_of_codes_is_said_and_written_anew(plugin: Path, text: str) -> None:
    graph, out = graph_of(plugin), plugin.parent / "out"
    said_by_run(graph, out)
    (out / CODE).write_bytes(text.encode("latin-1"))
    assert f"{CODE} is damaged" in outlook_of(graph, out).notes[0]
    result, computed = said_by_run(graph, out)
    assert f"{CODE} is damaged" in result[0]
    assert computed == 0
    assert CodeBook.read(Store(str(out))).codes.keys() == set(stage_fingerprints(graph).values())


def test_the_option_is_taken_from_the_command_line(plugin: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = plugin.parent / "out"
    said_by_run(graph_of(plugin), out)
    change(plugin, "b")
    words = [plugin.parent / "toy.yaml", "--out", out]
    assert MESSAGES in call("plan", *words, capfd=capfd)[1]
    assert MESSAGES not in call("plan", *words, "--code", "rerun", capfd=capfd)[1]
    code, output, _ = call("run", *words, "--engine", "local", "--code", "rerun", capfd=capfd)
    assert code == cli.OK
    assert "were done before" not in output
    assert build(load(plugin.parent / "toy.yaml"))
