"""Laws that hold for any pipeline of filtering, expanding, combining and routed stages."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from building import PAINT, dataset_bytes, ledger_rows, plain_rows, run_local, toy_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.execute.fingerprints import run_fingerprint
from datagen.execute.verify import verify


@st.composite
def stage_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some order of toy stages, each at most once, that is a sound pipeline."""
    stages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        stages.append({"use": "sift", "with": {"share": draw(st.floats(0, 0.8))}})
    if draw(st.booleans()):
        stages.append({"use": "ask"})
    expands = draw(st.booleans())
    if expands:
        stages.append({"use": "fan_out", "with": {"most": draw(st.integers(0, 4))}})
    if draw(st.booleans()):
        stages.append({"use": "blow_up", **({"when": {"verdict": "yes"}} if {"use": "ask"} in stages else {})})
    if expands and draw(st.booleans()):
        stages.append({"use": "gather"})
    return [*stages, PAINT]


def _with_batches(stages: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    return [{**stage, "resources": {"batch_size": size}} for stage in stages]


@settings(max_examples=25, deadline=None)
@given(stages=stage_lists(), number=st.integers(0, 12), sizes=st.tuples(*[st.integers(1, 7)] * 4))
def test_slices_and_batches_never_change_the_dataset(
    stages: list[dict[str, Any]], number: int, sizes: tuple[int, int, int, int]
) -> None:
    rows = [
        *plain_rows(number),
        {"id": "bomb", "uri": "x", "caption": "bomb"},
        {"id": "dud", "uri": "y", "caption": "dud"},
    ]
    with TemporaryDirectory() as folder:
        outs = [Path(folder) / "one", Path(folder) / "two"]
        for out, slice_size, batch in zip(outs, sizes[:2], sizes[2:], strict=True):
            graph = toy_graph(Path(folder), _with_batches(stages, batch), rows=rows, slice_size=slice_size)
            summary = run_local(graph, out)
            assert summary.counts.sources == len(rows)
            assert verify(str(out)) == []
        ends = [
            {id: (row["status"], row["reason"], row["key"]) for id, row in ledger_rows(out).items()} for out in outs
        ]
        assert ends[0] == ends[1]
        assert dataset_bytes(outs[0]) == dataset_bytes(outs[1])


@settings(max_examples=20, deadline=None)
@given(stages=stage_lists(), stop_after=st.integers(0, 4))
def test_stopped_and_continued_equals_unbroken(stages: list[dict[str, Any]], stop_after: int) -> None:
    with TemporaryDirectory() as folder:
        graph = toy_graph(Path(folder), stages, rows=plain_rows(12))
        run_local(graph, Path(folder) / "unbroken")
        _run_and_stop(graph, Path(folder) / "broken", stop_after)
        run_local(graph, Path(folder) / "broken")
        assert dataset_bytes(Path(folder) / "unbroken") == dataset_bytes(Path(folder) / "broken")


def _run_and_stop(graph: Any, out: Path, slices: int) -> None:
    from building import Quiet

    from datagen.execute.run import How, run
    from datagen.execute.watching import Told

    class Stopping(Quiet):
        def slice_done(self, told: Told) -> None:
            if told.slices > slices:
                raise KeyboardInterrupt

    try:
        run(graph, out=str(out), how=How("local"), watcher=Stopping())
    except KeyboardInterrupt:
        assert slices < 4


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 64), cpus=st.integers(1, 4))
def test_resources_are_not_in_the_fingerprint(batch: int, cpus: int) -> None:
    with TemporaryDirectory() as folder:
        plain = toy_graph(Path(folder), [PAINT])
        tuned = toy_graph(Path(folder), [{**PAINT, "resources": {"batch_size": batch, "cpus": cpus}}])
        assert run_fingerprint(plain) == run_fingerprint(tuned)
