"""configs/all_named.yaml whole: one graph of stages on Ray in which everything takes part, and a training on its OUT."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from building import Quiet, ledger_rows
from chat_server import chatting, says
from training_runs import SMALL, Followed

import datagen
from datagen.execute.run import RunOptions, run
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.shards.verify import verify_dataset
from datagen.storage.store import Store
from datagen.train.config import TrainConfig
from datagen.train.loop import train

pytestmark = [pytest.mark.ray, pytest.mark.torch, pytest.mark.usefixtures("two_core_ray")]

WORDS = "Add <imagehere> to the middle of <imagehere>. It is small."
CAPABILITIES = {
    "write_instruction": "instructions by a language model",
    "expand_scene_graph": "expansion of scene graphs",
    "segment_subject": "segmentation",
    "remove_subject": "inpainting",
    "merge_turns": "merging of turns",
    "filter_conflicts": "detection of conflicts",
    "select_box": "selection of boxes",
    "spoil_step": "critiques",
}


def test_everything_takes_part_in_one_run_whose_dataset_trains_a_model(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with chatting() as chat:
        chat.act = lambda request, number: says({"instruction": WORDS, "relations": []})
        model = "write_instruction.writer.model"
        server = [f"{model}.base_url={chat.address}", f"{model}.api_key_env=''"]
        graph = build(load(Path("configs/all_named.yaml"), profile="api", sets=["source.count=16", *server]))
        summary = run(graph, out=str(out), options=RunOptions("ray"), watcher=Quiet())
        calls = len(chat.requests)
    passed = {name: summary.stage_counters[name].passed for name in CAPABILITIES}
    assert min(passed.values()) > 0, passed
    rows = ledger_rows(out)
    assert Counter(row["status"] for row in rows.values())["failed"] == 0
    assert verify_dataset(Store(str(out))) == []
    samples = list(datagen.open(str(out)))
    by_task = Counter(sample.info["task"] for sample in samples)
    assert set(by_task) == {
        "complex_edit", "subject_add", "plan_generation", "inspect_text", "inspect_image", "refine",
    }  # fmt: skip
    assert calls >= by_task["subject_add"]
    assert {sample.instruction for sample in samples if sample.info["task"] == "subject_add"} == {WORDS}
    for sample in samples:
        if sample.info["label"] == "negative":
            assert sample.info["steps"][-1]["critique"]
            assert sample.info["steps"][-1]["correction"]
    followed = Followed()
    config = TrainConfig.model_validate(
        {
            "train": "small",
            "out": str(tmp_path / "trained"),
            "data": {"datasets": [{"path": str(out), "split": None}], "sizes": [[32, 32]]},
            "model": SMALL,
            "steps": 3,
            "batch_size": 4,
            "device": "cpu",
        }
    )
    assert (train(config, watcher=followed) / "model_index.json").exists()
    assert "no_edit" in followed.texts[0], "words that are judged are no edits"
