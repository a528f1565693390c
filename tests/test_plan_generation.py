"""configs/plan_generation.yaml and configs/critique.yaml whole, in every profile: plans, pictures, and who judges them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import ledger_rows, run_local
from chat_server import Act, Chat, Request, says, words_of

import datagen
from datagen.pipeline.config import load
from datagen.pipeline.graph import build

PLANS, CRITIQUES = Path("configs/plan_generation.yaml"), Path("configs/critique.yaml")
BEAR = "A bear hovers above a silver spoon."
GRAPH = {
    "objects": [
        {"label": "bear", "count": 1, "attributes": []},
        {"label": "spoon", "count": 1, "attributes": [{"kind": "material", "value": "silver"}]},
    ],
    "relations": [{"subject": 1, "predicate": "above", "object": 2}],
    "background": "",
    "style": "",
}
CIRCLES = {
    **GRAPH,
    "objects": [
        {"label": "circle", "count": 2, "attributes": [{"kind": "colour", "value": "red"}]},
        {"label": "square", "count": 1, "attributes": [{"kind": "colour", "value": "blue"}]},
    ],
}
SOUND = {"critique": "", "verdict": "consistent", "correction": ""}


def asks(chat: Chat, *stages: str) -> list[str]:
    return [f"{stage}.model.{value}" for stage in stages for value in (f"base_url={chat.address}", "api_key_env=''")]


def wanted(request: Request) -> str:
    name: str = request["response_format"]["json_schema"]["name"]
    return name


def test_every_plan_ends_in_what_its_caption_says(tmp_path: Path) -> None:
    run_local(build(load(PLANS)), tmp_path)
    ends = Counter((row["status"], row["reason"]) for row in ledger_rows(tmp_path).values())
    assert ends == {("expanded", ""): 11, ("accepted", ""): 22, ("rejected", "too_complex"): 1}
    samples = list(datagen.open(str(tmp_path)))
    words = Counter(step["instruction"].split()[0] for sample in samples for step in sample.info["steps"])
    assert {"Add", "Make", "Replace"} <= set(words), "steps are no mere additions"
    for sample in samples:
        steps = sample.info["steps"]
        assert 4 <= len(steps) <= 6
        assert steps[-1]["description"] == sample.instruction == sample.info["text"]
        assert {step["verdict"] for step in steps} == {"consistent"}
        assert [step["image"] for step in steps][-1] == "target.png"
        pictures = [sample.image(step["image"]) for step in steps]
        masks = sample.masks
        for before, after, mask_HW in zip(pictures, pictures[1:], masks[2:], strict=False):
            assert (before[~mask_HW] == after[~mask_HW]).all(), "a step changes nothing outside its mask"
            assert (before[mask_HW] != after[mask_HW]).any()
        assert not sample.info["inputs"]


def test_a_language_model_reads_captions_and_judges_each_step_knowing_the_plan(tmp_path: Path, chat: Chat) -> None:
    def act(request: Request, number: int) -> Act:
        return says(CIRCLES if wanted(request) == "GraphForm" else SOUND)

    chat.act = act
    (tmp_path / "captions.txt").write_text("Two red circles above a blue square.\n")
    sets = [f"source.path={tmp_path}/captions.txt", *asks(chat, "parse_graph.parser", "judge_steps.judge")]
    run_local(build(load(PLANS, profile="api", sets=sets)), tmp_path / "out")
    samples = list(datagen.open(str(tmp_path / "out")))
    assert len(samples) == 2
    judged = [request for request in chat.requests if wanted(request) == "StepForm"]
    assert len(judged) == sum(len(sample.info["steps"]) for sample in samples), "one call a step"
    for sample in samples:
        texts = [words_of(request) for request in judged if sample.info["steps"][1]["instruction"] in words_of(request)]
        assert any(all(step["instruction"] in words for step in sample.info["steps"]) for words in texts)


@pytest.mark.torch
def test_models_paint_a_plan_of_which_a_sound_beginning_stays(tmp_path: Path, chat: Chat) -> None:
    import tiny_pipelines

    def act(request: Request, number: int) -> Act:
        if wanted(request) == "GraphForm":
            return says(GRAPH)
        is_last = "You judge step 4." in words_of(request)
        return says({"critique": "No spoon.", "verdict": "inconsistent", "correction": "Add it."} if is_last else SOUND)

    chat.act = act
    weights = tiny_pipelines.klein_edit(tmp_path)
    tiny = (
        f"weights={weights}",
        "commit=''",
        "arguments={num_inference_steps: 2, text_encoder_out_layers: [1, 2]}",
        "precision=float32",
    )
    (tmp_path / "captions.txt").write_text(f"{BEAR}\n")
    sets = [
        f"source.path={tmp_path}/captions.txt",
        *(f"paint_plan.{model}.{value}" for model in ("generator", "editor") for value in tiny),
        *("paint_plan.generator.width=64", "paint_plan.generator.height=64", "paint_plan.editor.pixels=4096"),
        "sample_plan.plan={intermediates: [1, 5]}",
        "expand_scene_graph.count=1",
        "filter_step_alignment.max_shift=1000",
        "filter_step_alignment.max_zoom=0.25",
        *asks(chat, "parse_graph.parser", "judge_steps.judge"),
    ]
    on_cpu = tmp_path / "plans.yaml"
    on_cpu.write_text(PLANS.read_text().replace("    resources: {gpus: 1}\n", ""))
    graph = build(load(on_cpu, profile="gpu", sets=sets))
    run_local(graph, tmp_path / "out")
    assert not [row for row in ledger_rows(tmp_path / "out").values() if row["status"] in ("rejected", "failed")]
    [sample] = datagen.open(str(tmp_path / "out"))
    assert sample.target.shape == (64, 64, 3)
    assert sample.instruction == "A bear is above a silver spoon."
    assert sample.info["steps"][0]["description"] in ("A bear.", "A silver spoon.")


def test_critiques_are_balanced_and_each_has_one_fault(tmp_path: Path) -> None:
    run_local(build(load(CRITIQUES, sets=["source.count=60"])), tmp_path)
    samples = list(datagen.open(str(tmp_path)))
    labels = Counter((sample.info["task"], sample.info["label"]) for sample in samples)
    for form in ("inspect_text", "inspect_image"):
        assert labels[form, "negative"] == pytest.approx(30, abs=12)
        assert labels[form, "positive"] == pytest.approx(30, abs=12)
    assert labels["refine", "positive"] > 50
    for sample in samples:
        last: dict[str, Any] = sample.info["steps"][-1]
        is_wrong = sample.info["label"] == "negative" or sample.info["task"] == "refine"
        assert last["verdict"] == ("inconsistent" if is_wrong else "consistent")
        assert bool(last["critique"]) == bool(last["correction"]) == is_wrong
        if sample.info["task"] == "refine":
            assert sample.info["text"] == last["correction"]
            assert not np.array_equal(sample.source, sample.target)
