"""Fingerprints: one change is one stage's and that of those that depend on it; what stays may be used again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from building import PAINT, plain_rows, run_fingerprint, run_local, toy_graph
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rings import example_count
from toys.note import SEEN, TEXTS, Note

from datagen.core.errors import ConfigError
from datagen.core.stage import Combine
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.reuse.fingerprints import dependencies, stage_fingerprints
from datagen.pipeline.graph_model import Graph
from datagen.storage.store import Store

Stages = list[dict[str, Any]]
ROWS = plain_rows(6)


def note(id: str, *, writes: str = "n0", sees: tuple[str, ...] = (), use: str = "note", **keys: Any) -> dict[str, Any]:
    """A stage that notes what it is given; `sees` are optional fields."""
    names = {"out": writes, **dict(zip(("o0", "o1"), sees, strict=False))}
    return {"use": use, "id": id, "map": names, **keys}


def prints(folder: Path, stages: Stages, **keys: Any) -> dict[str, str]:
    return stage_fingerprints(toy_graph(folder, [*stages, PAINT], **keys))


def changed(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    return {id for id in other if one.get(id) != other[id]}


# One change after the other


CHAIN = [
    note("a", writes="n0", **{"with": {"knob": 1}}),
    note("b", writes="n1", sees=("n0",)),
    note("c", writes="n2", sees=("n1",)),
    note("d", writes="n3"),
]


def with_key(stages: Stages, id: str, **keys: Any) -> Stages:
    return [{**stage, **keys} if stage["id"] == id else stage for stage in stages]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"with": {"knob": 2}}, {"a", "b", "c"}),
        ({"with": {"knob": 1, "rejects": 0.5}}, {"a", "b", "c"}),
        ({"when": {"caption": "c1"}}, {"a", "b", "c"}),
        ({"map": {"out": "n0", "o0": "caption"}}, {"a", "b", "c"}),
        ({"resources": {"batch_size": 1, "cpus": 2, "gpus": 1}}, set()),
        ({"durable": True}, set()),
    ],
)
def test_a_change_is_the_stages_own_and_that_of_those_that_read_it(
    tmp_path: Path, keys: dict[str, Any], expected: set[str]
) -> None:
    assert changed(prints(tmp_path, CHAIN), prints(tmp_path, with_key(CHAIN, "a", **keys))) == expected


def test_a_version_and_a_salt_change_a_stage_and_those_that_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = toy_graph(tmp_path, [*CHAIN, PAINT])
    before = stage_fingerprints(graph)
    assert changed(before, stage_fingerprints(graph, salts={"b": "s"})) == {"b", "c"}
    assert run_fingerprint(graph) != run_fingerprint(graph, salts={"b": "s"})
    monkeypatch.setattr(Note, "version", 2)
    assert changed(before, stage_fingerprints(graph)) == {"a", "b", "c", "d"}


def test_a_filter_changes_alone(tmp_path: Path) -> None:
    def chain(share: float) -> Stages:
        return [{"use": "sift", "with": {"share": share}}, *CHAIN]

    assert changed(prints(tmp_path, chain(0.1)), prints(tmp_path, chain(0.2))) == {"sift"}


DECIDE = note("judge", writes="n0", **{"with": {"decides": True}})


def test_a_reader_on_one_route_does_not_depend_on_the_writer_of_the_other(tmp_path: Path) -> None:
    def routes(knob: int) -> Stages:
        return [
            DECIDE,
            note("yes", writes="n1", when={"n0": "yes"}),
            note("no", writes="n1", when={"n0": "no"}, **{"with": {"knob": knob}}),
            note("reads_yes", writes="n2", sees=("n1",), when={"n0": "yes"}),
            note("reads_both", writes="n3", sees=("n1",)),
        ]

    assert changed(prints(tmp_path, routes(0)), prints(tmp_path, routes(1))) == {"no", "reads_both"}


def test_a_writer_hides_those_before_it_from_all_that_met_it(tmp_path: Path) -> None:
    def rewritten(knob: int, **keys: Any) -> Stages:
        return [
            note("first", writes="n1", **{"with": {"knob": knob}}),
            note("between", writes="n2", sees=("n1",)),
            note("many", writes="n1", use="note_many", **keys),
            note("last", writes="n3", sees=("n1",)),
        ]

    assert changed(prints(tmp_path, rewritten(0)), prints(tmp_path, rewritten(1))) == {"first", "between"}
    some = {"when": {"caption": "c1"}}
    assert changed(prints(tmp_path, rewritten(0, **some)), prints(tmp_path, rewritten(1, **some))) == {
        "first",
        "between",
        "last",
    }, "records that did not meet it still bear the first one's note"


def test_what_makes_records_counts_for_all_behind_it(tmp_path: Path) -> None:
    def chain(knob: int) -> Stages:
        return [
            note("before", writes="n0"),
            note("many", writes="n1", use="note_many", **{"with": {"knob": knob}}),
            note("after", writes="n2"),
            note("all", writes="n1", use="note_all"),
            note("last", writes="n3"),
        ]

    assert changed(prints(tmp_path, chain(0)), prints(tmp_path, chain(1))) == {"many", "after", "all", "last", "paint"}


def test_a_stage_moved_behind_what_makes_records_is_another(tmp_path: Path) -> None:
    """It then answers each child by itself, where children inherited one answer before."""
    maker, many, reader = (
        note("n", writes="n0"),
        note("many", writes="n1", use="note_many"),
        note("r", sees=("n0",), writes="n2"),
    )
    assert {"n", "r"} <= changed(prints(tmp_path, [maker, many, reader]), prints(tmp_path, [many, maker, reader]))


def test_the_order_of_filters_counts_for_what_is_told_who_was_lost(tmp_path: Path) -> None:
    one, two = (
        {"use": "sift", "id": id, "map": {"contrast": field}} for id, field in (("s", "contrast"), ("t", "clipped"))
    )
    many, all = note("many", use="note_many"), note("all", use="note_all")
    assert changed(prints(tmp_path, [many, one, two, all]), prints(tmp_path, [many, two, one, all])) == {"all", "paint"}


def test_another_round_of_a_block_leaves_the_earlier_ones(tmp_path: Path) -> None:
    def repeated(times: int) -> Stages:
        stages = [
            note("try", writes="n1", sees=("n0",)),
            note("rate", writes="n0", sees=("n1",), **{"with": {"decides": True}}),
        ]
        return [
            {"repeat": {"times": times, "until": {"n0": "yes"}, "stages": stages}},
            note("end", writes="n2", sees=("n1",)),
        ]

    two, three = prints(tmp_path, repeated(2)), prints(tmp_path, repeated(3))
    assert changed(two, three) == {"try_3", "rate_3", "end"}


def test_the_kind_of_a_written_field_counts_as_answers_are_kept_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datagen import Field

    stages = [note("a", writes="n0"), note("b", writes="n1")]
    before = prints(tmp_path, stages)
    monkeypatch.setattr(Note, "fields", tuple(Field(field.name, "json", field.doc) for field in Note.fields))
    assert changed(before, prints(tmp_path, stages)) == {"a", "b"}


def test_what_a_branch_beside_may_write_is_not_to_be_read(tmp_path: Path) -> None:
    """Which of two branches runs first hangs on their resources, which must change nothing."""
    beside = [
        note("a", writes="n1", after=[]),
        note("b", writes="n2", sees=("n1",), after=[]),
        {**PAINT, "after": ["a", "b"]},
    ]
    with pytest.raises(ConfigError, match="'b' may read 'n1', which 'a' writes on a branch beside it; put one `after`"):
        toy_graph(tmp_path, beside)


# Any change of any graph


@st.composite
def graphs(draw: st.DrawFn) -> Stages:
    """Up to six noting stages: routes, branches that make records and join them, rounds."""
    stages: Stages = []
    for number in range(draw(st.integers(2, 6))):
        joins = ["note_all"] if any(stage["use"] == "note_many" for stage in stages) else []
        use = draw(st.sampled_from(["note", "note", "note_many", *joins]))
        known = ["caption", *(stage["map"]["out"] for stage in stages)]
        fields = st.sampled_from(known)
        writes = TEXTS[number] if use == "note" else draw(st.sampled_from([TEXTS[number], *known[1:]]))
        stage = note(f"s{number}", use=use, writes=writes, sees=(draw(fields), draw(fields)))
        stage["with"] = {"decides": draw(st.booleans()), "rejects": draw(st.sampled_from([0, 0, 0.3]))}
        if draw(st.integers(0, 2)) == 0:
            stage["when"] = {draw(fields): draw(st.sampled_from(["yes", "no", "c1", ["c2", "yes"]]))}
            if use == "note" and draw(st.booleans()):
                stages.append(
                    deepcopy(stage) | {"id": f"t{number}", "when": {"caption": draw(st.sampled_from(["c2", "c3"]))}}
                )
        stages.append(stage)
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(stages) - 1))
        block = [stage for stage in stages[at : at + 2] if stage["use"] == "note"]
        if block:
            repeat = {"times": 2, "until": {draw(st.sampled_from(TEXTS)): "yes"}, "stages": block}
            stages[at : at + 2] = [{"repeat": repeat}]
    return stages


@st.composite
def edits(draw: st.DrawFn, stages: Stages) -> Stages:
    """The same stages with one thing changed."""
    other = deepcopy(stages)
    uses = [use for stage in other for use in (stage["repeat"]["stages"] if "repeat" in stage else [stage])]
    use = draw(st.sampled_from(uses))
    what = draw(st.sampled_from(["knob", "rejects", "when", "map", "drop", "swap", "swap"]))
    if what == "knob":
        use["with"]["knob"] = 1
    elif what == "rejects":
        use["with"]["rejects"] = 0.6
    elif what == "when":
        use["when"] = {"caption": ["c1", "c2", "c3"]} if not use.get("when") else {}
    elif what == "map":
        use["map"]["o0"] = draw(st.sampled_from([*TEXTS, "caption", "credit"]))
    elif what == "drop" and len(other) > 1:
        other.pop(draw(st.integers(0, len(other) - 1)))
    elif len(other) > 1:
        at = draw(st.integers(0, len(other) - 2))
        other[at], other[at + 1] = other[at + 1], other[at]
    return other


def built(folder: str, stages: Stages) -> Graph:
    try:
        return toy_graph(Path(folder), [*stages, PAINT], rows=ROWS)
    except ConfigError:
        assume(False)
        raise


def givens(graph: Graph, out: Path) -> tuple[dict[tuple[str, str], Any], set[str]]:
    """What each stage was given, and the slices."""
    SEEN.clear()
    run_local(graph, out)
    return dict(SEEN), set(Ledger(Store(str(out)), run_fingerprint(graph)).listing().locations)


@settings(max_examples=example_count(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_stage_whose_fingerprint_stays_is_given_the_same_for_every_record(data: st.DataObject) -> None:
    stages = data.draw(graphs())
    with TemporaryDirectory() as folder:
        one = built(folder, stages)
        other = built(folder, data.draw(edits(stages)))
        seen = [givens(graph, Path(folder) / name)[0] for graph, name in ((one, "one"), (other, "other"))]
        same = stage_fingerprints(one).items() & stage_fingerprints(other).items()
        for id, _ in same:
            for key in seen[0].keys() & seen[1].keys():
                if key[0] == id:
                    assert seen[0][key] == seen[1][key], f"{key} was given other values"


def traced(graph: Graph) -> dict[str, set[str]]:
    """Brute force: on every way that a record can take, whose values does each stage see?

    Each stage that decides is tried with every answer; a record is its fields, each with who wrote it.
    """
    found: dict[str, set[str]] = {node.id: set() for node in graph.nodes}
    requests = {clause.field: set[str]() for node in graph.nodes for clause in node.clauses}
    for node in graph.nodes:
        for clause in node.clauses:
            requests[clause.field].update(clause.values)
    sourced = [
        {name: (value, "") for name, value in zip(requests, values, strict=True)}
        for values in itertools.product(*([*answers, "else"] for answers in requests.values()))
    ]
    for record in sourced:
        _follow(graph, 0, record, found, requests)
    for index, node in enumerate(graph.nodes):
        makers = [other.id for other in graph.nodes[:index] if other.branches_out]
        found[node.id].update(makers[-1:])
        if issubclass(node.stage, Combine):
            found[node.id] = {other.id for other in graph.nodes[:index]}
    return found


def _follow(
    graph: Graph, at: int, record: dict[str, Any], found: dict[str, set[str]], request: Mapping[str, set[str]]
) -> None:
    for index in range(at, len(graph.nodes)):
        node = graph.nodes[index]
        values = {name: value for name, (value, _) in record.items()}
        if not node.accepts(values):
            continue
        names = {*node.reads, *node.optional, *(clause.field for clause in node.clauses)}
        found[node.id].update(record[name][1] for name in names if name in record and record[name][1])
        for name in node.writes:
            rest = [(value, node.id) for value in [*request.get(name, ()), "else"]]
            record = {**record, name: rest[0]}
            for written in rest[1:]:
                _follow(graph, index + 1, {**record, name: written}, found, request)


def _all_before(direct: Mapping[str, set[str]], id: str) -> Iterator[str]:
    for other in direct[id]:
        yield other
        yield from _all_before(direct, other)


@settings(max_examples=example_count(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_an_option_changes_exactly_the_stages_that_its_values_reach(data: st.DataObject) -> None:
    stages = data.draw(graphs())
    assume(not any("repeat" in stage for stage in stages))
    with TemporaryDirectory() as folder:
        graph = built(folder, stages)
        id = data.draw(st.sampled_from([stage["id"] for stage in stages]))
        other = deepcopy(stages)
        next(stage for stage in other if stage["id"] == id)["with"]["knob"] = 1
        direct = traced(graph)
        expected = {node.id for node in graph.nodes if node.id == id or id in _all_before(direct, node.id)}
        assert changed(stage_fingerprints(graph), stage_fingerprints(built(folder, other))) == expected
        assert all(set(found) >= direct[node] for node, found in dependencies(graph).items())
