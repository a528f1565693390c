"""configs/complex_edit.yaml and configs/world_complex_edit.yaml whole: windows, conflicts, and what a sample holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import ledger_rows, run_local

import datagen
from datagen.imaging.geometry import dilate
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph

SESSIONS, WORLDS = Path("configs/complex_edit.yaml"), Path("configs/world_complex_edit.yaml")
SMALL = ["source={count: 3, width: 128, height: 128}"]
REACH = 4 + 4
"""Pixels beyond a box that a region and its transition have."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of the sessions of the demo's photographs."""
    folder = tmp_path_factory.mktemp("complex")
    run_local(build(load(SESSIONS)), folder)
    return folder


def test_the_last_turn_of_a_session_conflicts_but_for_the_rockets(out: Path) -> None:
    windows = {id: row for id, row in ledger_rows(out).items() if "#" in id}
    ends = Counter((id.partition("/")[0], row["status"], row["reason"]) for id, row in windows.items())
    assert ends == {
        ("rocket", "accepted", ""): 3,
        ("coffee", "accepted", ""): 2,
        ("coffee", "rejected", "same_object"): 1,
        ("hubble", "accepted", ""): 1,
        ("hubble", "rejected", "same_object"): 2,
        ("astronaut", "accepted", ""): 1,
        ("astronaut", "rejected", "order"): 2,
    }


def test_each_part_of_a_sample_has_its_box_mask_and_picture(out: Path) -> None:
    samples = list(datagen.open(str(out)))
    assert len(samples) == 7
    for sample in samples:
        edits: list[dict[str, Any]] = sample.info["edits"]
        assert [edit["mask"] for edit in edits] == [f"mask_{number}.png" for number in range(1, len(edits) + 1)]
        assert len(sample.masks) == len(edits) + 1
        between = [f"turn_{number}.png" for number in range(len(edits) - 1)]
        assert [step["image"] for step in sample.info["steps"]] == [*between, "target.png"]
        assert sample.info["instruction"].count("<imagehere>") == 1
        for edit in edits:
            assert edit["op"] == "global" or edit["candidates"]
        assert (sample.masks[0] == np.logical_or.reduce(sample.masks[1:])).all()
        outside_HW = ~dilate(sample.masks[0], REACH)
        assert (sample.target[outside_HW] == sample.source[outside_HW]).all()


def test_drawn_sessions_end_as_windows(tmp_path: Path) -> None:
    run_local(build(load(WORLDS, sets=SMALL)), tmp_path)
    rows = ledger_rows(tmp_path)
    assert Counter(row["status"] for id, row in rows.items() if "#" not in id).keys() <= {"combined", "expanded"}
    assert {row["status"] for id, row in rows.items() if "#" in id} == {"accepted", "rejected"}


@pytest.mark.parametrize("config", [SESSIONS, WORLDS], ids=["sessions", "worlds"])
def test_no_stage_reads_the_truth(config: Path) -> None:
    graph: Graph = build(load(config))
    assert not any("truth" in (*node.reads, *node.optional) for node in graph.nodes)
