"""The graph: what is refused, which order stages run in, and which records meet them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from building import PAINT, context_of, ledger_rows, plain_rows, run_fingerprint, run_local, toy_graph

from datagen.core.errors import ConfigError
from datagen.execute.inspect.plan import as_mermaid, as_text
from datagen.execute.reuse.fingerprints import stage_fingerprints
from datagen.execute.workers.operators import fuse
from datagen.models.segmenters.grabcut import GrabCutConfig
from datagen.pipeline.graph_model import Clause


def _message(folder: Path, stages: list[Any], **keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        toy_graph(folder, stages, **keys)
    return str(caught.value).replace(f"{folder}/", "")


ASK = {"use": "ask"}
SIFT = {"use": "sift"}
WRONG: dict[str, tuple[list[Any], str]] = {
    "an unknown stage": (
        [{"use": "gather_sesion"}, PAINT],
        "toy.yaml:9: there is no stage 'gather_sesion'; did you mean 'gather_session'?",
    ),
    "an undeclared field": (
        [{"use": "fan_out"}, {"use": "remove_subject", "map": {"source": "image2"}}, PAINT],
        "toy.yaml:10: 'remove_subject' names a field 'image2' that nobody declares; did you mean 'image'?",
    ),
    "a read that comes later": (
        [{"use": "filter_foreground"}, {"use": "segment_subject"}, PAINT],
        "toy.yaml:9: stage 'filter_foreground' reads 'mask', but 'segment_subject', which writes it, does not run "
        "before it; put 'filter_foreground' `after` it",
    ),
    "a read that never comes": (
        [{"use": "filter_foreground"}, PAINT],
        "toy.yaml:9: stage 'filter_foreground' reads 'mask', but nothing before it writes 'mask'; it has: base, caption, "
        "credit, license, objects, session, sha256, uri",
    ),
    "two writers": (
        [SIFT, {"use": "sift", "id": "again"}, PAINT],
        "toy.yaml:10: 'again' writes 'contrast', and so does 'sift' (toy.yaml:9); rename one with `map`, or let `when` keep "
        "them apart",
    ),
    "a second writer on some routes": (
        [
            ASK,
            {**SIFT, "when": {"verdict": "yes"}},
            {"use": "sift", "id": "again", "when": {"verdict": ["yes", "no"]}},
            PAINT,
        ],
        "toy.yaml:13: 'again' writes 'contrast', and so does 'sift' (toy.yaml:10); rename one with `map`, or let `when` keep "
        "them apart",
    ),
    "over the source": (
        [{"use": "blow_up", "map": {"task": "credit"}}, PAINT],
        "toy.yaml:9: 'blow_up' writes 'credit', which the source gives already; rename it with `map`",
    ),
    "two of a name": (
        [SIFT, SIFT, PAINT],
        "toy.yaml:9: a second stage is called 'sift'; give it another `id`",
    ),
    "a circle": (
        [{**SIFT, "after": "paint"}, {**PAINT, "after": "sift"}],
        "toy.yaml:9: stages wait for each other in a circle: sift after paint after sift; cut one `after`",
    ),
    "after nothing": (
        [SIFT, {**PAINT, "after": "shift"}],
        "toy.yaml:10: 'paint' is `after` 'shift', but no stage is; did you mean 'sift'?",
    ),
    "after a round that is not": (
        [SIFT, {**PAINT, "after": "sift_2"}],
        "toy.yaml:10: 'paint' is `after` 'sift_2', but no stage is; did you mean 'sift'?",
    ),
    "after a round too many": (
        [{"repeat": {"times": 2, "until": {"verdict": "yes"}, "stages": [ASK]}}, {**PAINT, "after": "ask_3"}],
        "toy.yaml:15: 'paint' is `after` 'ask_3', but no stage is; did you mean 'ask_2'?",
    ),
    "two writers in one round": (
        [
            {"repeat": {"times": 2, "until": {"verdict": "yes"}, "stages": [{**ASK, "id": "a"}, {**ASK, "id": "b"}]}},
            PAINT,
        ],
        "toy.yaml:16: 'b' writes 'verdict', and so does 'a' (toy.yaml:14); rename one",
    ),
    "a condition of another type": (
        [{**PAINT, "when": {"caption": 1}}],
        "toy.yaml:9: 'caption' is never 1; it is text; put it in quotes",
    ),
    "a rename of nothing": (
        [{**SIFT, "map": {"contrst": "sharpness"}}, PAINT],
        "toy.yaml:9: `map` renames 'contrst', no field of 'sift'; did you mean 'contrast'?",
    ),
    "a rename across kinds": (
        [{**SIFT, "map": {"contrast": "caption"}}, PAINT],
        "toy.yaml:9: `map` puts 'contrast', score, into 'caption', which is text",
    ),
    "a condition that is written on some routes only": (
        [ASK, {"use": "blow_up", "when": {"verdict": "yes"}}, {**SIFT, "when": {"task": "toy"}}, PAINT],
        "toy.yaml:13: stage 'sift' reads 'task', but 'blow_up' writes it only where verdict = yes; give 'sift' the same `when`",
    ),
    "a condition on an unknown field": (
        [{**PAINT, "when": {"verdikt": "yes"}}],
        "toy.yaml:9: 'paint' asks about 'verdikt', no known field; ",
    ),
    "a condition on a picture": (
        [{**PAINT, "when": {"image": "yes"}}],
        "toy.yaml:9: 'paint' asks about 'image', a image, not a plain value",
    ),
    "a value that never is": (
        [ASK, {**PAINT, "when": {"verdict": "yess"}}],
        "toy.yaml:10: 'verdict' is never 'yess'; did you mean 'yes'?",
    ),
    "no sample on some route": (
        [ASK, {**PAINT, "when": {"verdict": "yes"}}],
        "toy.yaml:8: the pipeline ends (where verdict = no) without 'target', 'instruction', which samples need; let a stage write them",
    ),
    "no sample": (
        [SIFT],
        "toy.yaml:8: the pipeline ends without 'target', 'instruction', which samples need; let a stage write them",
    ),
    "children beside a branch": (
        [{**SIFT, "after": []}, {"use": "fan_out", "after": []}, {**PAINT, "after": ["sift", "fan_out"]}],
        "toy.yaml:11: 'fan_out' makes new records while 'sift' runs on a branch beside it; put one `after` the other",
    ),
    "combining without children": (
        [{"use": "gather"}, PAINT],
        "toy.yaml:9: 'gather' combines the children of one record, but no stage before it makes children",
    ),
    "combining what the source does not keep together": (
        [{"use": "gather_session"}, PAINT],
        "toy.yaml:4: 'gather_session' combines records by 'session'; add `group_by: session` to the source",
    ),
    "after inside a block": (
        [{"repeat": {"times": 2, "until": {"verdict": "yes"}, "stages": [{**ASK, "after": []}]}}, PAINT],
        "toy.yaml:14: 'ask' stands in a repeat block, whose stages follow each other; drop `after`",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_graph(tmp_path: Path, case: str) -> None:
    stages, message = WRONG[case]
    assert _message(tmp_path, stages).startswith(message)


def test_branches_run_the_cheap_stage_first(tmp_path: Path) -> None:
    stages = [{**ASK, "after": []}, {**SIFT, "after": []}, {**PAINT, "after": ["ask", "sift"]}]
    graph = toy_graph(tmp_path, stages)
    assert [node.id for node in graph.nodes] == ["sift", "ask", "paint"], "a filter stands before what costs more"


def test_only_neighbours_that_need_cores_fuse(tmp_path: Path) -> None:
    stages = [SIFT, {"use": "blow_up"}, ASK, {"use": "fan_out"}, {**PAINT, "resources": {"cpus": 2}}]
    assert [operator.name for operator in fuse(toy_graph(tmp_path, stages))] == [
        "sift+blow_up",
        "ask",
        "fan_out",
        "paint",
    ]


def test_only_stages_with_as_many_workers_fuse(tmp_path: Path) -> None:
    stages = [SIFT, {"use": "blow_up"}, {**PAINT, "resources": {"replicas": {"min": 2}}}]
    assert [operator.name for operator in fuse(toy_graph(tmp_path, stages))] == ["sift+blow_up", "paint"]


REPEATED = {"repeat": {"times": 3, "until": {"verdict": "yes"}, "stages": [ASK]}}


@pytest.mark.parametrize(("after", "meant"), [("ask", "ask_3"), ("ask_2", "ask_2"), ("ask_3", "ask_3")])
def test_after_a_repeated_stage_is_after_its_last_round_or_the_one_named(
    tmp_path: Path, after: str, meant: str
) -> None:
    graph = toy_graph(tmp_path, [REPEATED, {**PAINT, "after": after}])
    assert {node.id: node.after for node in graph.nodes}["paint"] == (meant,)


def test_a_condition_tells_truth_from_one() -> None:
    assert Clause("x", (True,)).holds(True)
    assert not Clause("x", (True,)).holds(1)
    assert not Clause("x", (0,)).holds(False)
    assert Clause("x", (1,)).holds(1.0), "a whole number and the same as a float are equal"
    assert Clause("x", (True,), negated=True).holds(1)


def test_a_stage_runs_twice_under_other_names(tmp_path: Path) -> None:
    again = {"use": "sift", "id": "again", "map": {"contrast": "clipped"}}
    run_local(toy_graph(tmp_path, [SIFT, again, PAINT], rows=plain_rows(30)), tmp_path / "out")
    reasons = {(row["stage"], row["reason"]) for row in ledger_rows(tmp_path / "out").values()}
    assert {("sift", "unlucky"), ("again", "unlucky")} <= reasons, "each draws its own numbers"


def test_exclusive_routes_may_write_one_field(tmp_path: Path) -> None:
    stages = [
        ASK,
        {**PAINT, "when": {"verdict": "yes"}},
        {**PAINT, "id": "other", "when": {"verdict": "no"}, "with": {"side": 7}},
    ]
    graph = toy_graph(tmp_path, stages, rows=plain_rows(30))
    summary = run_local(graph, tmp_path / "out")
    assert summary.counts.accepted == 30 - summary.counts.rejected.get("ask/refused", 0)


def _prints(folder: Path, stages: list[Any]) -> dict[str, str]:
    return stage_fingerprints(toy_graph(folder, stages))


def test_an_option_changes_its_stage_and_what_reads_it_alone(tmp_path: Path) -> None:
    def chain(share: float, most: int) -> dict[str, str]:
        return _prints(
            tmp_path, [{**SIFT, "with": {"share": share}}, {"use": "fan_out", "with": {"most": most}}, PAINT]
        )

    before, other_share, other_most = chain(0.1, 3), chain(0.2, 3), chain(0.1, 4)
    assert before["sift"] != other_share["sift"]
    assert before["sift"] == other_most["sift"]
    assert before["paint"] != other_most["paint"], "it may read `subject`, which fan_out writes"


def test_a_filter_leaves_what_does_not_read_it_alone(tmp_path: Path) -> None:
    one = _prints(tmp_path, [{**SIFT, "with": {"share": 0.1}}, PAINT])
    two = _prints(tmp_path, [{**SIFT, "with": {"share": 0.9}}, PAINT])
    assert one["paint"] == two["paint"]


def test_a_condition_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    plain = toy_graph(tmp_path, [ASK, {"use": "blow_up"}, PAINT])
    routed = toy_graph(tmp_path, [ASK, {"use": "blow_up", "when": {"verdict": "yes"}}, PAINT])
    assert run_fingerprint(plain) != run_fingerprint(routed)


def test_conditions_that_read_alike_have_fingerprints_of_their_own(tmp_path: Path) -> None:
    prints = [
        _prints(tmp_path, [SIFT, {"use": "blow_up", "when": {"caption": requests}}, PAINT])["blow_up"]
        for requests in (["a", "b"], "a, b", ["a, b", "c"], ["a", "b, c"])
    ]
    assert len(set(prints)) == 4


def test_images_and_what_is_unchecked_are_in_the_run_but_in_no_stage(tmp_path: Path) -> None:
    plain = toy_graph(tmp_path, [PAINT])
    others = [
        toy_graph(tmp_path, [PAINT], output={"images": {"format": "webp"}}),
        toy_graph(tmp_path, [PAINT], output={"images": {"quality": 80}}),
        toy_graph(tmp_path, [PAINT], profiles={"embedded": {"unchecked": ["taste"]}}),
    ]
    assert len({run_fingerprint(graph) for graph in [plain, *others]}) == 4
    assert all(stage_fingerprints(graph) == stage_fingerprints(plain) for graph in others)


def test_a_models_revision_is_in_the_fingerprint_of_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = [{"use": "trace"}, PAINT]
    before = _prints(tmp_path, stages)
    monkeypatch.setattr(GrabCutConfig, "version", 99)
    after = _prints(tmp_path, stages)
    assert before["trace"] != after["trace"]
    assert before["paint"] == after["paint"]


def test_joining_depends_on_what_was_lost_before_it_and_making_children_does_not(tmp_path: Path) -> None:
    def chain(share: float) -> dict[str, str]:
        sift = {**SIFT, "with": {"share": share}}
        return _prints(tmp_path, [sift, {"use": "fan_out"}, {**sift, "id": "again", "map": {"contrast": "clipped"}},
                                  {"use": "gather"}, PAINT])  # fmt: skip

    one, two = chain(0.1), chain(0.9)
    assert one["fan_out"] == two["fan_out"], "a record's children are the same whichever others came"
    assert one["gather"] != two["gather"], "it is told of the siblings that were lost"
    assert one["paint"] != two["paint"], "it may read `subject`, which gather writes"


def test_the_plan_tells_stages_routes_and_operators(tmp_path: Path) -> None:
    stages = [SIFT, ASK, {"use": "blow_up", "when": {"verdict": "yes"}}, PAINT]
    text = as_text(context_of(toy_graph(tmp_path, stages, description="Toys.")))
    assert "toy: Toys." in text
    assert "uri -> contrast" in text
    assert "rejects unlucky" in text
    assert "when verdict = yes" in text
    assert "ask: 1 stages, 0 cores a worker, 1 to as many as fit workers" in text


def test_the_mermaid_diagram_has_every_stage_and_arrow(tmp_path: Path) -> None:
    stages = [{**SIFT, "after": []}, {**ASK, "after": []}, {**PAINT, "after": ["sift", "ask"], "when": {"verdict": "no"}},
              {**PAINT, "id": "other", "after": ["sift", "ask"], "when": {"verdict": "yes"}}]  # fmt: skip
    lines = as_mermaid(toy_graph(tmp_path, stages)).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  ask -- "verdict = no" --> paint' in lines
    assert '  sift -.-> sift_rejects("unlucky"):::rejects' in lines
    assert {"  source --> sift", "  source --> ask", "  paint --> samples", "  other --> samples"} <= set(lines)


def test_two_kinds_for_one_field_are_refused(tmp_path: Path) -> None:
    message = _message(tmp_path, [{"use": "ask"}, {"use": "clash"}, PAINT])
    assert message == (
        "toy.yaml:8: field 'verdict' is declared as score and as text; one name has one kind: rename the field of the plugin stage"
    )


def test_a_stage_of_two_packages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twin_plugin").mkdir()
    for name in ("__init__.py", "paint.py"):
        (tmp_path / "twin_plugin" / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    message = _message(tmp_path, [PAINT], plugins=["toys", "twin_plugin"])
    assert message.endswith("stage 'paint' is both toys.paint and twin_plugin.paint; rename one of them")


def test_a_module_without_its_class_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bare_plugin").mkdir()
    for name in ("__init__.py", "judge_colour.py"):
        (tmp_path / "bare_plugin" / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    message = _message(tmp_path, [{"use": "judge_colour"}, PAINT], plugins=["toys", "bare_plugin"])
    assert message.endswith("bare_plugin.judge_colour holds no stage class called JudgeColour")


def test_a_plugin_that_cannot_be_imported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torn_plugin").mkdir()
    (tmp_path / "torn_plugin" / "__init__.py").touch()
    (tmp_path / "torn_plugin" / "dream.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    message = _message(tmp_path, [{"use": "dream"}, PAINT], plugins=["toys", "torn_plugin"])
    assert (
        "stage 'dream' cannot be imported from torn_plugin.dream: ModuleNotFoundError: No module named 'no_such_package'"
        in message
    )


RAISING = {
    "sour": ("raise RuntimeError('no licence')\n", "RuntimeError: no licence"),
    "bitter": ("1 / 0\n", "ZeroDivisionError: division by zero"),
    "torn": ("def broken(:\n", "SyntaxError: invalid syntax"),
}


@pytest.mark.parametrize("name", RAISING)
def test_a_plugin_module_that_raises_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    code, found = RAISING[name]
    package = tmp_path / f"{name}_modules"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wince.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    message = _message(tmp_path, [{"use": "wince"}, PAINT], plugins=["toys", package.name])
    assert f"toy.yaml:10: stage 'wince' cannot be imported from {package.name}.wince: {found}" in message


@pytest.mark.parametrize("name", RAISING)
def test_a_plugin_package_that_raises_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    code, found = RAISING[name]
    package = tmp_path / f"{name}_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    message = _message(tmp_path, [PAINT], plugins=["toys", f"{package.name}.inner"])
    assert f"package '{package.name}.inner' cannot be imported to take stages from: {found}" in message
