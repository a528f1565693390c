"""`plan --estimate`: a few rows through the real stages, and how far the forecast of the rest can be trusted."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import PAINT, Quiet, plain_rows, run_local, toy_config, toy_graph
from commands import call
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rings import example_count

from datagen import cli
from datagen.core.errors import ConfigError
from datagen.execute.inspect.bootstrap import LEVEL, NOTHING, Forecast, forecast_amount, forecast_count
from datagen.execute.inspect.estimate import Estimate, draw, estimate
from datagen.execute.inspect.status import status
from datagen.pipeline.graph_model import Graph
from datagen.progress.estimate_text import estimate_lines

Population = Callable[[np.random.Generator], NDArray[np.float64]]
ROWS = 5000
POPULATIONS: dict[str, Population] = {
    "half": lambda rng: (rng.random(ROWS) < 0.5).astype(float),
    "a twentieth": lambda rng: (rng.random(ROWS) < 0.05).astype(float),
    "children": lambda rng: rng.poisson(3.0, ROWS).astype(float),
    "few with many": lambda rng: (rng.random(ROWS) < 0.2) * rng.poisson(5.0, ROWS).astype(float),
    "seconds": lambda rng: rng.lognormal(0.0, 0.8, ROWS),
    "seconds of those that pass": lambda rng: (rng.random(ROWS) < 0.6) * rng.lognormal(0.0, 0.5, ROWS),
}


def _estimate(graph: Graph, draws: int, **more: Any) -> Estimate:
    return estimate(graph, draws=draws, watcher=Quiet(), **more)


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("size", [60, 200])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(name: str, size: int) -> None:
    rng = np.random.default_rng(len(name) * size)
    found = forecast_amount if name.startswith("seconds") else forecast_count
    trials = 150
    held = 0
    for trial in range(trials):
        values = POPULATIONS[name](rng)
        result = found(rng.choice(values, size, replace=False), rows=ROWS, seed=trial)
        held += result.low <= values.sum() <= result.high
    slack = 3 * np.sqrt(LEVEL * (1 - LEVEL) / trials)
    assert LEVEL - slack <= held / trials <= LEVEL + slack


@settings(max_examples=example_count(60), deadline=None)
@given(values=st.lists(st.floats(0, 1000), min_size=10, max_size=30), more=st.integers(0, 1000))
def test_a_forecast_lies_within_its_bounds(values: list[float], more: int) -> None:
    rows = len(values) + more
    for found in (forecast_amount, forecast_count):
        result = found(np.array(values), rows=rows, seed=0)
        slack = 1e-9 * max(result.value, 1)
        assert 0 <= result.low <= result.value + slack
        assert result.value - slack <= result.high
        if not more:
            assert result.high - result.low <= slack
            assert result.value == pytest.approx(sum(values))


def test_what_was_never_seen_may_still_be_there_but_costs_nothing() -> None:
    never = np.zeros(100)
    assert forecast_amount(never, rows=10_000, seed=0) == NOTHING
    found = forecast_count(never, rows=10_000, seed=0)
    assert (found.value, found.low) == (0, 0)
    assert 230 < found.high < 300  # rule of three: 3 of 100 at 95 %
    always = forecast_count(np.full(100, 2.0), rows=10_000, seed=0)
    assert always.low < always.value == 20_000 < always.high


def test_rows_are_drawn_one_of_each_span_and_the_same_ones_every_time(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=plain_rows(100))
    units, drawn = draw(graph, draws=10, rows=100, seed=1)
    ids = [int(unit.rows[0].id[1:]) for unit in units]
    assert [id // 10 for id in ids] == list(range(10))
    assert drawn == list(range(10))
    assert draw(graph, draws=10, rows=100, seed=1) == (units, drawn)
    assert draw(graph, draws=10, rows=100, seed=2)[0] != units
    assert len(draw(graph, draws=1000, rows=100, seed=1)[0]) == 100


def test_a_group_is_drawn_whole_and_counts_by_its_share(tmp_path: Path) -> None:
    rows = [{**row, "session": f"s{n // 4}"} for n, row in enumerate(plain_rows(80))]
    source = {"kind": "manifest", "path": str(tmp_path / "manifest.jsonl"), "group_by": "session"}
    graph = toy_graph(tmp_path, [{"use": "gather_session"}, PAINT], rows=rows, source=source)
    units, drawn = draw(graph, draws=40, rows=80, seed=0)
    assert {len(unit.rows) for unit in units} == {4}
    assert len(drawn) == 40 > len(units)
    found = _estimate(graph, 40)
    truth = run_local(graph, tmp_path / "out").counts.accepted
    assert found.accepted.value == truth == 60  # three windows of each session, whichever are drawn


def _near(found: Forecast, truth: float) -> bool:
    return found.low <= truth <= found.high


def test_the_forecast_of_a_pipeline_holds_what_its_run_comes_to(tmp_path: Path) -> None:
    stages = [{"use": "sift"}, {"use": "fan_out"}, {"use": "ask"}, {"use": "blow_up"}, PAINT]
    rows = [{**row, "caption": "dud" if n % 9 == 0 else row["caption"]} for n, row in enumerate(plain_rows(600))]
    graph = toy_graph(tmp_path, stages, rows=rows, slice_size=50)
    run_local(graph, tmp_path / "out")
    truth = status(str(tmp_path / "out"))
    held = []
    for seed in range(6):
        found = _estimate(graph, 60, seed=seed)
        held += [_near(found.accepted, truth.counts.accepted), _near(found.failed, truth.counts.failed)]
        held += [_near(found.rejected[name], number) for name, number in truth.counts.rejected.items()]
        held += [_near(found.tokens, truth.tokens), _near(found.usd, truth.usd)]
    assert np.mean(held) > 0.75
    size = sum(path.stat().st_size for path in (tmp_path / "out" / "run" / "parts").rglob("*.tar"))
    assert found.dataset_bytes.low * 0.8 < size < found.dataset_bytes.high * 1.2
    whole = sum(
        path.stat().st_size
        for kind in ("parts", "ledger", "checkpoints")
        for path in (tmp_path / "out/run" / kind).rglob("*.*")
    )
    assert found.run_bytes.low * 0.7 < whole < found.run_bytes.high * 1.3


def test_hours_are_of_what_a_stage_reserves(tmp_path: Path) -> None:
    stages = [
        {"use": "ponder", "with": {"seconds": 0.01}, "resources": {"cpus": 2}},
        {"use": "ask"},
        {"use": "paint"},
    ]
    found = _estimate(toy_graph(tmp_path, stages, rows=plain_rows(40)), 10)
    assert set(found.hours) == {"core", "call"}
    assert found.stages["ponder"]["core"].value * 3600 == pytest.approx(40 * 0.01 * 2, rel=0.5)
    assert set(found.stages["ask"]) == {"call"}
    assert "write" in found.stages
    total = sum(hours["core"].value for hours in found.stages.values() if "core" in hours)
    assert found.hours["core"].value == pytest.approx(total)


def test_a_source_that_is_sorted_by_topic_is_covered(tmp_path: Path) -> None:
    rows = [{**row, "caption": "dud" if n < 100 else "fine"} for n, row in enumerate(plain_rows(200))]
    found = _estimate(toy_graph(tmp_path, [{"use": "blow_up"}, PAINT], rows=rows), 20)
    assert found.failed.value == 100


def test_where_nothing_is_accepted_that_is_the_forecast(tmp_path: Path) -> None:
    rows = [{**row, "caption": "dud"} for row in plain_rows(50)]
    found = _estimate(toy_graph(tmp_path, [{"use": "blow_up"}, PAINT], rows=rows), 10)
    assert (found.accepted.value, found.failed.value, found.dataset_bytes) == (0, 50, NOTHING)
    assert 0 < found.accepted.high < 15
    assert found.run_bytes.value > 0


def test_a_seed_gives_one_answer(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "sift"}, {"use": "fan_out"}, PAINT], rows=plain_rows(200))
    one, other, third = (_estimate(graph, 20, seed=seed) for seed in (4, 4, 5))
    assert (one.accepted, one.rejected, one.dataset_bytes) == (other.accepted, other.rejected, other.dataset_bytes)
    assert one.accepted != third.accepted


def test_all_rows_are_no_estimate_but_the_truth(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "sift"}, {"use": "fan_out"}, PAINT], rows=plain_rows(12))
    counts = run_local(graph, tmp_path / "out").counts
    found = _estimate(graph, 50)
    assert found.accepted == Forecast(counts.accepted, counts.accepted, counts.accepted)
    assert {name: result.value for name, result in found.rejected.items()} == counts.rejected
    assert found.unmet == NOTHING
    assert "every row was run" in next(estimate_lines(found))


def test_rows_can_be_told_and_are_not_believed_against_the_source(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=plain_rows(30))
    assert _estimate(graph, 10, rows=20).accepted.value == 20
    with pytest.raises(ConfigError, match="--rows says that the source has 5,000 rows, but it has 30"):
        _estimate(graph, 10, rows=5000)


@pytest.fixture
def own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go meanwhile."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_nothing_is_left_and_out_is_not_touched(
    tmp_path: Path, own_temp: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, [{"use": "sift"}, PAINT], rows=plain_rows(30))
    monkeypatch.chdir(tmp_path)
    result = call("plan", config, "--estimate", "10", "--json", capfd=capfd)
    assert result.code == cli.OK
    assert result.data["draws"] == 10
    assert set(result.data["accepted"]) == {"value", "low", "high"}
    assert not (tmp_path / "out").exists()
    assert not list(own_temp.iterdir())
    output = call("plan", config, "--estimate", "10", capfd=capfd).out
    assert "estimated from 10 of 30 rows, seed 0" in output
    assert "rejected by sift/unlucky" in output
    assert "starting workers and loading models comes on top" in output


@pytest.mark.parametrize(
    ("stage", "code", "message"),
    [
        ({"use": "interrupt"}, cli.INTERRUPTED, "interrupted; nothing is left of it"),
        ({"use": "no_weights"}, cli.WRONG, "error: "),
    ],
)
def test_a_fault_leaves_nothing_either(
    tmp_path: Path, own_temp: Path, stage: dict[str, Any], code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, [stage, PAINT], rows=plain_rows(30))
    result = call("plan", config, "--estimate", "10", capfd=capfd)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert "Traceback" not in result.err
    assert not list(own_temp.iterdir())


@pytest.mark.usefixtures("interruptible")
@pytest.mark.subprocess
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    config = toy_config(tmp_path, [{"use": "dawdle"}, PAINT], rows=plain_rows(60))
    temp = tmp_path / "temp"
    temp.mkdir()
    code = "import tempfile, sys; tempfile.tempdir = sys.argv.pop(1); from datagen.__main__ import leave; leave()"
    words = [sys.executable, "-c", code, str(temp), "plan", str(config), "--estimate", "30"]
    with subprocess.Popen(words, env={"PYTHONPATH": ".:tests"}, stderr=subprocess.PIPE, text=True) as running:
        while not list(temp.glob("datagen-estimate-*/run/ledger/*/*.parquet")):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        assert running.stderr
        text = running.stderr.read()
    assert running.returncode == cli.INTERRUPTED
    assert text == "interrupted; nothing is left of it\n"
    assert not list(temp.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "3"], "--seed and --rows go with --estimate N"),
        (["--rows", "3"], "--seed and --rows go with --estimate N"),
        (["--mermaid", "--json"], "--mermaid prints a diagram alone"),
        (["--mermaid", "--estimate", "10"], "--mermaid prints a diagram alone"),
        (["--estimate", "9"], "greater than or equal to 10"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    tmp_path: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = call("plan", toy_config(tmp_path, [PAINT]), *words, capfd=capfd)
    assert result.code == cli.WRONG
    assert message in result.err
