"""The stage that renders turns, alone and in a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import ledger_rows, run_local
from world_sessions import specification

from datagen import Failed, Record
from datagen.execute.reuse.code_versions import code_parts, source_modules
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.shards.reader import open_dataset
from datagen.worlds.session import render_session
from stages.render_turn import RenderTurn

CONFIG = """
pipeline: worlds
source: {kind: world, count: 3, turns: 3, width: 96, height: 96, look: cutouts, damages: [all]}
slice_size: 2
stages:
  - use: render_turn
  - use: add_placeholder
"""


def record(turn: int = 1, **options: object) -> Record:
    spec = specification(0, width=96, height=96, **options)
    return Record("a", {"world": spec.model_dump(mode="json"), "turn": turn})


def stage() -> RenderTurn:
    return RenderTurn(RenderTurn.Config())


def test_a_turn_is_that_of_its_session() -> None:
    answers = stage().process([record(turn) for turn in (2, 1, 4)])
    turns = render_session(specification(0, width=96, height=96))
    for answer, turn in zip(answers, (turns[1], turns[0], turns[3]), strict=True):
        assert isinstance(answer, dict)
        assert answer == {"source": turn.source, "target": turn.target, "text": turn.text, "truth": turn.truth}
        assert answer["source"].size == (96, 96)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"turn": 5}, "there is no turn 5; the session has 4"),
        ({"world": {"session": 1}}, "session cannot be rendered: "),
        (
            {"world": {**record()["world"], "background": {"name": "x", "uri": "/gone.png", "split": "tuned"}}},
            "/gone.png",
        ),
    ],
)
def test_a_row_that_cannot_be_rendered_fails_alone(fields: dict[str, object], message: str) -> None:
    wrong, good = stage().process([Record("a", {**record(), **fields}), record()])
    assert isinstance(wrong, Failed)
    assert message in wrong.error
    assert not isinstance(good, Failed)


def test_a_config_of_worlds_runs_and_gives_samples(tmp_path: Path) -> None:
    (tmp_path / "worlds.yaml").write_text(CONFIG)
    graph = build(load(tmp_path / "worlds.yaml"))
    run_local(graph, tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert {row["status"] for row in rows.values()} == {"accepted"}
    assert len(rows) == 9
    samples = {sample.info["id"]: sample for sample in open_dataset(str(tmp_path / "out"))}
    for first, second in (("000000/1", "000000/2"), ("000002/2", "000002/3")):
        assert samples[first].read("target.png") == samples[second].read("source.png")


def test_a_change_of_worlds_counts_as_a_change_of_the_stage(tmp_path: Path) -> None:
    (tmp_path / "worlds.yaml").write_text(CONFIG)
    node = build(load(tmp_path / "worlds.yaml")).nodes[0]
    parts = code_parts(node, modules=source_modules())
    drawing = {f"datagen.worlds.{name}" for name in ("scene", "script", "damage", "wording")}
    assert {*drawing, "datagen.core.draws"} <= set(parts)
