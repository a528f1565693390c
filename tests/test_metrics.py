"""What a real run on Ray exports is what its ledger says, and all that the Grafana dashboard draws is exported."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from building import PAINT, Quiet, ledger_rows, plain_rows, toy_graph
from conftest import ROOT

from datagen.execute.engines.progress_events import Summary
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.run import RunOptions, run
from datagen.execute.workers.operators import fuse
from datagen.pipeline.config import load
from datagen.pipeline.graph import build

DASHBOARD = ROOT / "docs" / "grafana" / "datagen.json"
STAGES = [{"use": "sift"}, {"use": "ask"}, {"use": "blow_up"}, PAINT]
NAMES = {
    "taken": "datagen_records_in",
    "passed": "datagen_records_out",
    "rejected": "datagen_records_rejected",
    "failed": "datagen_records_failed",
    "reused": "datagen_records_reused",
    "calls": "datagen_calls",
    "seconds": "datagen_seconds",
    "tokens": "datagen_tokens",
    "usd": "datagen_usd",
}
"""Exported name by counter of a stage: what dashboards of users rely on."""
SECONDS_TO_EXPORT = 60.0
"""Ray's workers report every ten seconds, on a busy machine later."""


class Sample(NamedTuple):
    """One line of Prometheus' text."""

    name: str
    labels: dict[str, str]
    value: float


class Ran(NamedTuple):
    """Two runs over the same records, the second with another last stage, and what was exported of both."""

    first: Summary
    second: Summary
    rows: dict[str, dict[str, Any]]
    samples: list[Sample]
    actors: list[Any]
    tasks: list[Any]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name and these labels."""
        found = [one.value for one in self.samples if one.name == name and labels.items() <= one.labels.items()]
        return sum(found)


def _scraped() -> list[Sample]:
    import ray

    node = ray.nodes()[0]  # type: ignore[no-untyped-call]
    address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r"^(\w+)\{(.*)\} (\S+)$", text, re.MULTILINE)
    return [Sample(name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for name, labels, value in found]


def _total(samples: list[Sample], name: str) -> float:
    return sum(one.value for one in samples if one.name == name)


def _settled(*summaries: Summary, committed: int) -> list[Sample]:
    """What is exported once nothing is at work and all that was counted is; the last state if that takes too long.

    Ray exports each metric by itself, so that a state may have one run of one metric and both of another.
    """
    expected = StageCounters()
    for counters in (one for summary in summaries for one in summary.stage_counters.values()):
        expected.add(counters)
    until, samples = time.monotonic() + SECONDS_TO_EXPORT, list[Sample]()
    while time.monotonic() < until:
        with suppress(OSError):  # the port answers only after a while
            samples = _scraped()
        if (
            _total(samples, "ray_datagen_slices_committed_total") == committed
            and _total(samples, "ray_datagen_working_slices") == 0
            and all(
                _total(samples, f"ray_{name}_total") == pytest.approx(getattr(expected, part))
                for part, name in NAMES.items()
            )
        ):
            break
        time.sleep(0.5)
    return samples


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    import ray
    from ray.util.state import list_actors, list_tasks

    folder = tmp_path_factory.mktemp("metrics")
    rows = plain_rows(30)
    rows[4]["caption"] = "bomb"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    context = ray.init(
        "local", num_cpus=2, include_dashboard=True, dashboard_host="127.0.0.1", dashboard_port=0, log_to_driver=False
    )
    try:
        graph = toy_graph(folder, STAGES, rows=rows)
        first = run(graph, out=str(folder / "out"), options=RunOptions(), watcher=Quiet())
        found = ledger_rows(folder / "out")
        changed = toy_graph(folder, [*STAGES[:-1], {**PAINT, "with": {"side": 5}}], rows=rows)
        second = run(changed, out=str(folder / "out"), options=RunOptions(), watcher=Quiet())
        samples, place = _settled(first, second, committed=20), f"http://{context.dashboard_url}"
        yield Ran(first, second, found, samples, list_actors(place, detail=True), list_tasks(place, limit=1000))
    finally:
        ray.shutdown()


@pytest.mark.ray
def test_records_by_stage_are_those_of_the_ledger(ran: Ran) -> None:
    ends = [(row["status"], row["stage"]) for row in ran.rows.values()]
    accepted = sum(status == "accepted" for status, _ in ends)
    going_on = len(ends)
    for stage in ("sift", "ask", "blow_up", "paint"):
        rejected, failed = ends.count(("rejected", stage)), ends.count(("failed", stage))
        values = {
            part: ran.value(f"ray_datagen_records_{part}_total", stage=stage) for part in ("in", "rejected", "failed")
        }
        assert values == {"in": 2 * going_on, "rejected": 2 * rejected, "failed": 2 * failed}, "two equal runs"
        going_on -= rejected + failed
        assert ran.value("ray_datagen_records_out_total", stage=stage) == 2 * going_on
    assert ran.value("ray_datagen_records_in_total", stage="write") == 2 * accepted == 2 * going_on > 0
    assert ran.value("ray_datagen_records_failed_total", stage="blow_up") == 2


@pytest.mark.ray
def test_money_and_seconds_are_those_of_the_summaries(ran: Ran) -> None:
    def both(stage: str) -> StageCounters:
        total = StageCounters()
        total.add(ran.first.stage_counters[stage])
        total.add(ran.second.stage_counters[stage])
        return total

    requests = both("ask")
    assert requests.reused > 0
    assert ran.value("ray_datagen_tokens_total", stage="ask") == requests.tokens == 3 * requests.reused, "paid for once"
    assert ran.value("ray_datagen_usd_total", stage="ask") == pytest.approx(requests.usd)
    assert ran.value("ray_datagen_records_reused_total", stage="ask") == requests.reused
    assert ran.value("ray_datagen_calls_total", stage="ask") == requests.calls
    assert ran.value("ray_datagen_seconds_total", stage="paint") == pytest.approx(both("paint").seconds)


@pytest.mark.ray
def test_pools_are_exported_by_operator(ran: Ran) -> None:
    operators = {one.labels["operator"] for one in ran.samples if one.name == "ray_datagen_workers"}
    assert operators == {"sift", "ask", "blow_up+paint"}
    assert ran.value("ray_datagen_workers", operator="ask") == 1
    assert ran.value("ray_datagen_waiting_slices") == ran.value("ray_datagen_working_slices") == 0, "all is done"
    assert ran.value("ray_datagen_slices_committed_total", operator="blow_up+paint") == 20


def _queries(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key in ("expr", "query", "definition") and value)
        yield from (query for value in node.values() for query in _queries(value))
    elif isinstance(node, list):
        yield from (query for value in node for query in _queries(value))


@pytest.mark.ray
def test_all_that_the_grafana_dashboard_draws_is_exported(ran: Ran) -> None:
    text = json.loads(DASHBOARD.read_text())
    queries = [query for query in _queries(text) if isinstance(query, str) and query != "prometheus"]
    used = {name for query in queries for name in re.findall(r"\bray_\w+", query)}
    assert len(used) > 12
    assert used <= {one.name for one in ran.samples}
    for query in queries:
        labels = set(re.findall(r"\b(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
        labels.update(*(re.split(r"\s*,\s*", part) for part in re.findall(r"\bby\s*\(([^)]*)\)", query)))
        for name in re.findall(r"\bray_\w+", query):
            has = set.intersection(*(set(one.labels) for one in ran.samples if one.name == name))
            assert labels <= has, f"{query}: {name} has {sorted(has)}"


def test_the_grafana_dashboard_can_be_imported() -> None:
    text = json.loads(DASHBOARD.read_text())
    assert text["schemaVersion"] >= 39
    assert next(one["type"] for one in text["templating"]["list"]) == "datasource"
    sources = {json.dumps(panel["datasource"]) for panel in text["panels"] if panel["type"] != "row"}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    numbers = [panel["id"] for panel in text["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.ray
def test_actors_and_tasks_carry_the_stages_names(ran: Ran) -> None:
    actors = {(actor.class_name, actor.repr_name) for actor in ran.actors}
    assert {("sift", "sift"), ("ask", "ask"), ("blow_up+paint", "blow_up > paint")} <= actors
    names = {task.name for task in ran.tasks}
    assert any(re.fullmatch(r"ask: 00000\d-\w{12}.*", name) for name in names)
    assert any(re.fullmatch(r"blow_up\+paint: 00000\d-\w{12}", name) for name in names)
    assert {"sift: set up", "ask: set up", "blow_up+paint: set up"} <= names


def test_ray_keeps_the_whole_name_of_an_operator_of_many_stages() -> None:
    (operator,) = fuse(build(load(Path("configs/subject_add.yaml"))))
    assert operator.name == "read_image to write_instruction", "Ray shows only what stands behind the last dot"
