"""Pictures scored by tiny real models in a whole run: what the samples say, and what another bound costs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tiny_configs
from building import ledger_rows, run_local
from examples import small_manifest

from datagen import open as open_dataset
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph

SCORED = ("filter_aesthetic", "filter_nsfw", "filter_match", "filter_similarity", "filter_direction")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scoring")
    return tiny_configs.scoring(folder, small_manifest(folder))


def graph_of(config: Path, *sets: str) -> Graph:
    return build(load(config, sets=sets))


@pytest.mark.torch
def test_samples_say_what_each_score_is_by_and_rejected_records_keep_theirs(config: Path, tmp_path: Path) -> None:
    first = run_local(graph_of(config), tmp_path / "out")
    assert all(first.stage_counters[id].calls for id in SCORED)
    scores = {score["name"]: score for score in open_dataset(str(tmp_path / "out"))[0].info["scores"]}
    by = {name: re.sub(r"@unpinned-[0-9a-f]{8}", "", score["by"]) for name, score in scores.items()}
    assert all("@unpinned-" in score["by"] for name, score in scores.items() if name != "mask_fit"), "no pin, told so"
    assert by["aesthetic"] == "laion_v2@1:laion.pth + clip@1:clip"
    assert by["match"] == by["clip_similarity"] == by["direction"] == "clip@1:clip"
    assert (by["similarity"], by["nsfw"]) == ("dinov2@1:dinov2", "image_classifier@1:nsfw")

    above = scores["aesthetic"]["value"] + 1e-5
    strict = graph_of(config, f"filter_aesthetic.min_score={above}", "filter_similarity.max_similarity=0.99")
    again = run_local(strict, tmp_path / "out")
    assert [again.stage_counters[id].calls for id in SCORED] == [0] * len(SCORED), "no model is asked again"
    rejected = [row for row in ledger_rows(tmp_path / "out").values() if row["status"] == "rejected"]
    assert {row["reason"] for row in rejected} <= {"low_aesthetic", "too_similar"}
    assert all('"aesthetic": ' in row["scores"] for row in rejected)
