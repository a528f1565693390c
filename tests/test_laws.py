"""Laws that hold for any pipeline of passing, filtering, expanding, combining and routed stages."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from building import PAINT, Quiet, dataset_bytes, ledger_rows, plain_rows, run_fingerprint, run_local, toy_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.execute.engines.progress_events import RunProgress
from datagen.execute.maintain.verify import verify
from datagen.execute.run import RunOptions, run
from datagen.pipeline.graph_model import Graph

Stages = list[dict[str, Any]]
ROWS = [
    *plain_rows(11),
    {"id": "bomb", "uri": "x", "caption": "bomb"},
    {"id": "dud", "uri": "y", "caption": "dud"},
]


@st.composite
def stage_lists(draw: st.DrawFn) -> Stages:
    """Some order of toy stages that is a sound pipeline: filters anywhere, two levels of children, routes, a group."""
    stages: Stages = []

    def perhaps(stage: dict[str, Any], **options: st.SearchStrategy[Any]) -> bool:
        if not draw(st.booleans()):
            return False
        given_options = {"with": {name: draw(values) for name, values in options.items()}} if options else {}
        stages.append({**stage, **given_options})
        return True

    def sift(id: str, field: str) -> None:
        perhaps({"use": "sift", "id": id, "map": {"contrast": field}}, share=st.sampled_from([0.0, 0.2, 0.5, 0.8]))

    sift("sift_first", "contrast")
    routed = {"when": {"verdict": "yes"}} if perhaps({"use": "ask"}) else {}
    expands = perhaps({"use": "fan_out"}, most=st.integers(0, 4))
    sift("sift_children", "clipped")
    perhaps({"use": "blow_up", **routed})
    perhaps({"use": "ponder", **routed, "with": {"seconds": 0}})
    if expands:
        perhaps({"use": "gather"})
    perhaps({"use": "fan_out", "id": "fan_again", "map": {"subject": "source_caption"}}, most=st.integers(1, 2))
    sift("sift_last", "seam")
    return [*stages, PAINT]


def _with_batches(stages: Stages, size: int) -> Stages:
    return [{**stage, "resources": {"batch_size": size}} for stage in stages]


def _ends(out: Path) -> dict[str, tuple[Any, ...]]:
    rows = ledger_rows(out)
    return {id: (row["status"], row["stage"], row["reason"], row["key"]) for id, row in rows.items()}


def _check_same(one: Path, other: Path) -> None:
    assert verify(str(other)) == []
    assert _ends(one) == _ends(other)
    assert dataset_bytes(one) == dataset_bytes(other)


@settings(max_examples=example_count(25), deadline=None)
@given(stages=stage_lists(), number=st.integers(1, 13), sizes=st.tuples(*[st.integers(1, 7)] * 4))
def test_slices_and_batches_never_change_the_dataset(
    stages: Stages, number: int, sizes: tuple[int, int, int, int]
) -> None:
    rows = ROWS[-number:]
    with TemporaryDirectory() as folder:
        outs = [Path(folder) / "one", Path(folder) / "two"]
        for out, slice_size, batch in zip(outs, sizes[:2], sizes[2:], strict=True):
            graph = toy_graph(Path(folder), _with_batches(stages, batch), rows=rows, slice_size=slice_size)
            assert run_local(graph, out).counts.sources == len(rows)
            assert verify(str(out)) == []
        _check_same(*outs)


@pytest.mark.ray
@pytest.mark.usefixtures("two_core_ray")
@settings(max_examples=example_count(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stages=stage_lists(), sizes=st.tuples(*[st.integers(1, 7)] * 2), replicas=st.integers(1, 2), split=st.booleans())
def test_both_engines_give_the_same_dataset(stages: Stages, sizes: tuple[int, int], replicas: int, split: bool) -> None:
    """For any slices, batches, numbers of workers, and whether the last stage has workers of its own."""
    *others, last = _with_batches(stages, sizes[1])
    last = {**last, "resources": {**last["resources"], **({"cpus": 0.5} if split else {})}}
    workers = {"replicas": {"min": replicas, "max": replicas}}
    spread = [{**stage, "resources": {**stage["resources"], **workers}} for stage in [*others, last]]
    with TemporaryDirectory() as folder:
        run_local(toy_graph(Path(folder), stages, rows=ROWS), Path(folder) / "local")
        graph = toy_graph(Path(folder), spread, rows=ROWS, slice_size=sizes[0])
        run(graph, out=str(Path(folder) / "ray"), options=RunOptions("ray"), watcher=Quiet())
        _check_same(Path(folder) / "local", Path(folder) / "ray")


@settings(max_examples=example_count(20), deadline=None)
@given(stages=stage_lists(), stop_after=st.integers(0, 4))
def test_stopped_and_continued_equals_unbroken(stages: Stages, stop_after: int) -> None:
    with TemporaryDirectory() as folder:
        graph = toy_graph(Path(folder), stages, rows=plain_rows(12))
        run_local(graph, Path(folder) / "unbroken")
        _run_and_stop(graph, Path(folder) / "broken", stop_after)
        run_local(graph, Path(folder) / "broken")
        _check_same(Path(folder) / "unbroken", Path(folder) / "broken")


def _run_and_stop(graph: Graph, out: Path, slices: int) -> None:
    """Run until so many slices are committed and one more; to the end, if there are no more."""

    class Stopping(Quiet):
        def on_progress(self, message: RunProgress) -> None:
            if message.slices > slices:
                raise KeyboardInterrupt

    try:
        run(graph, out=str(out), options=RunOptions("local"), watcher=Stopping())
    except KeyboardInterrupt:
        assert slices < 9


CHANGES: dict[str, tuple[str, list[Any]]] = {
    "sift": ("share", [0.0, 0.3, 0.6]),
    "fan_out": ("most", [1, 2, 3]),
    "paint": ("side", [2, 4]),
}


@st.composite
def changed(draw: st.DrawFn, stages: Stages) -> Stages:
    """The same stages, one with another option, any of them with another `durable`."""
    place = draw(st.sampled_from([place for place, stage in enumerate(stages) if stage["use"] in CHANGES]))
    name, values = CHANGES[stages[place]["use"]]
    new = [_with_durable(stage, draw(st.sampled_from([None, True, False]))) for stage in stages]
    new[place] = {**new[place], "with": {name: draw(st.sampled_from(values))}}
    return new


def _with_durable(stage: dict[str, Any], durable: bool | None) -> dict[str, Any]:
    plain = {name: value for name, value in stage.items() if name != "durable"}
    return plain if durable is None else {**plain, "durable": durable}


@settings(max_examples=example_count(40), deadline=None)
@given(data=st.data())
def test_kept_answers_never_change_the_dataset(data: st.DataObject) -> None:
    """Whatever was run into OUT before, to its end or not, with whatever options: what comes out is as if nothing was."""
    stages = data.draw(stage_lists())
    with TemporaryDirectory() as folder:
        for _ in range(data.draw(st.integers(1, 3))):
            stages = data.draw(changed(stages))
            _run_and_stop(
                toy_graph(Path(folder), stages, rows=ROWS), Path(folder) / "out", data.draw(st.integers(0, 9))
            )
        stages = data.draw(changed(stages))
        graph = toy_graph(Path(folder), stages, rows=ROWS)
        run_local(graph, Path(folder) / "out")
        run_local(graph, Path(folder) / "fresh")
        _check_same(Path(folder) / "fresh", Path(folder) / "out")


@settings(max_examples=example_count(20), deadline=None)
@given(batch=st.integers(1, 64), cpus=st.integers(1, 4))
def test_resources_are_not_in_the_fingerprint(batch: int, cpus: int) -> None:
    with TemporaryDirectory() as folder:
        plain = toy_graph(Path(folder), [PAINT])
        tuned = toy_graph(Path(folder), [{**PAINT, "resources": {"batch_size": batch, "cpus": cpus}}])
        assert run_fingerprint(plain) == run_fingerprint(tuned)
