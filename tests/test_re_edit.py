"""The config that edits known pairs anew, in its profile without weights; tests/models/test_generators.py has the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from building import ledger_rows, run_local

from datagen.execute.maintain.verify import verify
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.shards.reader import open_dataset


@pytest.mark.parametrize("profile", ["embedded", "gpu", "generate"])
def test_turns_of_a_session_are_never_apart(profile: str) -> None:
    assert load(Path("configs/re_edit.yaml"), profile=profile).pipeline.output.together == ("session",)


def test_what_rules_understand_is_edited_and_all_else_rejected(tmp_path: Path) -> None:
    run_local(build(load(Path("configs/re_edit.yaml"))), tmp_path)
    assert verify(str(tmp_path)) == []
    rows = ledger_rows(tmp_path).values()
    assert sorted((row["status"], row["reason"]) for row in rows) == [
        *[("accepted", "")] * 6,
        *[("rejected", "not_understood")] * 6,
    ]
    samples = {sample.instruction: sample for sample in open_dataset(str(tmp_path))}
    flipped = samples["Flip <imagehere> horizontally."]
    assert np.array_equal(flipped.target, flipped.source[:, ::-1])
    grey = samples["make <imagehere> black and white"]
    assert np.ptp(grey.target, axis=2).max() == 0
    assert flipped.info["unchecked"], "that no caption was compared is told"
