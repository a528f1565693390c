"""Filters: what was measured is kept whatever it was held against, and says what measured it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, Quiet, dataset_bytes, ledger_rows, plain_rows, run_fingerprint, run_local, toy_graph

from datagen import open as open_dataset
from datagen.core.errors import ConfigError
from datagen.core.stage import Filter
from datagen.execute.engines.progress_events import Summary
from datagen.execute.inspect.resume_plan import plan_resume, resume_plan_text
from datagen.execute.reuse.code_versions import settle_code
from datagen.execute.reuse.fingerprints import digest, own_part, stage_fingerprints
from datagen.execute.run import RunOptions, run
from datagen.pipeline.graph_model import Graph
from datagen.pipeline.registry import find_stage
from datagen.storage.store import Store

ROWS = plain_rows(12)


def weigh(folder: Path, least: float, **options: Any) -> dict[str, Any]:
    return {"use": "weigh", "with": {"folder": str(folder), "min_contrast": least, **options}}


def graph_of(folder: Path, least: float, *, map: dict[str, str] | None = None, **options: Any) -> Graph:
    return toy_graph(folder, [{**weigh(folder, least, **options), "map": map or {}}, PAINT], rows=ROWS)


def computed(graph: Graph, out: Path) -> Summary:
    return run(graph, out=str(out), options=RunOptions("local"), watcher=Quiet())


def weighed(folder: Path) -> int:
    return len((folder / "weigh.log").read_text().splitlines())


def reasons(out: Path) -> dict[str, str]:
    return {id: row["reason"] for id, row in ledger_rows(out).items()}


@pytest.mark.parametrize("map", [{}, {"contrast": "clipped"}], ids=["plain", "renamed"])
def test_another_bound_measures_nothing_again(tmp_path: Path, map: dict[str, str]) -> None:
    out, options = tmp_path / "out", {"unweighable": "r3", "map": map}
    computed(graph_of(tmp_path, 0.7, **options), out)
    strict = reasons(out)
    assert {*strict.values()} == {"", "light", "unweighable"}
    for least, most in ((0.2, None), (0.2, 0.5), (0.9, None)):
        graph = graph_of(tmp_path, least, max_contrast=most, **options)
        found = resume_plan_text(plan_resume(settle_code(graph, store=Store(str(out))), out=str(out)))
        assert "weigh  reused: option m" in found, "the plan says what changed"
        counters = computed(graph, out).stage_counters["weigh"]
        assert (counters.calls, counters.reused) == (0, len(ROWS))
        assert weighed(tmp_path) == len(ROWS)
        fresh = tmp_path / f"fresh-{least}-{most}"
        run_local(graph, fresh)
        assert reasons(out) == reasons(fresh) != strict
        assert dataset_bytes(out) == dataset_bytes(fresh)
        (tmp_path / "weigh.log").write_text("x\n" * len(ROWS))


def test_a_bound_is_in_the_runs_fingerprint_and_in_no_stages(tmp_path: Path) -> None:
    one, other = graph_of(tmp_path, 0.1), graph_of(tmp_path, 0.2)
    assert stage_fingerprints(one) == stage_fingerprints(other)
    assert run_fingerprint(one) != run_fingerprint(other)
    third = graph_of(tmp_path, 0.1, unweighable="r1")
    assert stage_fingerprints(one)["weigh"] != stage_fingerprints(third)["weigh"], "what is measured by is"


def test_a_filter_that_was_a_map_keeps_the_fingerprint_of_a_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = graph_of(tmp_path, 0.1).nodes[0].stage
    monkeypatch.setattr(stage, "bounds_in_fingerprint", True)
    one, other = graph_of(tmp_path, 0.1), graph_of(tmp_path, 0.2)
    prints = stage_fingerprints(one)
    assert prints["weigh"] == digest({**own_part(one, "weigh"), "upstream": []}), "it covers all options"
    assert {id for id, print in stage_fingerprints(other).items() if prints[id] != print} == {"weigh"}


@pytest.mark.parametrize("name", ["filter_box", "filter_foreground", "filter_outside"])
def test_datasets_of_stages_that_were_maps_stay_current(name: str) -> None:
    stage = find_stage(name)
    assert issubclass(stage, Filter)
    assert stage.bounds_in_fingerprint


def test_who_is_told_of_lost_siblings_depends_on_the_bounds(tmp_path: Path) -> None:
    def prints(least: float) -> dict[str, str]:
        stages = [{"use": "fan_out"}, weigh(tmp_path, least), {"use": "gather"}, PAINT]
        return stage_fingerprints(toy_graph(tmp_path, stages))

    one, other = prints(0.1), prints(0.2)
    assert {id for id in one if one[id] != other[id]} == {"gather", "paint"}


def test_a_score_says_which_model_it_is_by(tmp_path: Path) -> None:
    run_local(graph_of(tmp_path, 0.0), tmp_path / "out")
    scores = {score["name"]: score["by"] for score in open_dataset(str(tmp_path / "out"))[0].info["scores"]}
    assert scores == {"contrast": "annotated@1", "sharpness": "paint"}


def test_a_score_that_no_model_gives_is_the_stages_whatever_models_it_has(tmp_path: Path) -> None:
    stages = [{"use": "trace"}, {**weigh(tmp_path, 0), "map": {"contrast": "seam"}}, PAINT]
    found = toy_graph(tmp_path, stages, rows=ROWS).score_writers
    assert (found["seam"], found["sharpness"]) == ("annotated@1", "paint")
    assert found["clipped"] == "trace", "its model is no threshold's"


def _profiled(folder: Path, over: dict[str, Any]) -> Graph:
    stages = [weigh(folder, 0.5), PAINT]
    return toy_graph(folder, stages, rows=ROWS, profiles={"gpu": {"stages": {"weigh": {"with": over}}}})


def test_a_profile_with_another_model_says_the_bound_beside_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        _profiled(tmp_path, {"model": {"kind": "grabcut"}})
    found = str(refused.value)
    assert "toy.yaml:" in found
    assert "profile 'gpu' names another `model` for 'weigh', but not the bound `min_contrast` on its score" in found
    assert (
        _profiled(tmp_path, {"model": {"kind": "grabcut"}, "min_contrast": 0.4}).nodes[0].bounds["min_contrast"] == 0.4
    )
    assert _profiled(tmp_path, {"unweighable": "r1"}).nodes, "other options go by themselves"


def test_a_bound_that_is_not_asked_for_is_not_missed(tmp_path: Path) -> None:
    over = {"model": {"kind": "grabcut"}, "min_contrast": 0.4}
    assert json.dumps(_profiled(tmp_path, over).nodes[0].bounds) == '{"min_contrast": 0.4, "max_contrast": null}'
