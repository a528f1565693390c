"""MIGE's generation pipelines from config to dataset: embedded, with tiny real models, and with a language model's server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import skimage
from building import ledger_rows, run_local
from chat_server import Chat, chatting, says, words_of
from examples import small_manifest
from foreign_generation import blip3
from web_server import serving

import datagen
from datagen.execute.maintain.verify import verify
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.shards.reader import Dataset

GENERATION, BENCH = Path("configs/subject_generation.yaml"), Path("configs/mige_bench.yaml")
DATA = Path(skimage.__file__).parent / "data"
PROFILES = [
    (GENERATION, "embedded"),
    (GENERATION, "gpu"),
    (GENERATION, "gpu_captions"),
    (GENERATION, "api"),
    (BENCH, "embedded"),
    (BENCH, "gpu"),
    (BENCH, "api"),
]


def made(config: Path, out: Path, *sets: str, profile: str = "") -> Dataset:
    run_local(build(load(config, profile=profile, sets=sets)), out)
    assert verify(str(out)) == []
    return datagen.open(str(out))


def ends(out: Path) -> dict[str, str]:
    return {id: row["reason"] or row["status"] for id, row in ledger_rows(out).items()}


@pytest.mark.parametrize(("config", "profile"), PROFILES, ids=str)
def test_every_profile_is_sound(config: Path, profile: str) -> None:
    graph = build(load(config, profile=profile))
    found = " ".join(graph.loaded.unchecked)
    assert ("CLIP" in found) == (config == GENERATION and profile in ("embedded", "api"))


def test_pictures_stand_for_things_and_there_is_no_source(tmp_path: Path) -> None:
    dataset = made(GENERATION, tmp_path / "out")
    found = {sample.info["instruction"]: sample for sample in dataset}
    shuttle = found["<imagehere> in an orange suit smiles before a flag and <imagehere>."]
    assert shuttle.info["inputs"] == ["ref_0.png", "ref_1.png"]
    assert [info["label"] for info in shuttle.info["input_info"]] == ["astronaut", "space shuttle model"]
    assert not any(name.startswith("source.") for name in shuttle.members)
    assert shuttle.info["size"] == [512, 512]
    assert {sample.info["task"] for sample in dataset} == {"subject_generation"}
    result = ends(tmp_path / "out")
    assert (result["coffee#1"], result["coins"], result["clock"]) == ("in_pieces", "no_entity", "blurred")
    saucer = next(sample for sample in dataset if sample.info["subject"] == "saucer")
    assert saucer.info["instruction"] == "A cup of espresso stands on <imagehere> with a teaspoon, on a wooden table."


def test_words_with_boxes_give_way_to_what_is_cut_out_of_a_picture_on_the_web(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAGEN_CACHE", "")
    with serving() as web:
        web.give("/0.jpg", 200, Path(DATA / "astronaut.png").read_bytes())
        caption = "A woman (starts at [0.03, 0.03] and extends upto [0.71, 1]) smiles beside a model <bbox>.7,0,.9,.54</bbox>."
        path = blip3(tmp_path / "blip3", [[["A woman smiles.", [False]], [caption, [True]]]], web=web.address)
        sets = ["source.kind=blip3_grounding", f"source.path={path}", "segment_entity.segmenter.kind=grabcut"]
        sets += ["read_image.schemes=[http]", "read_image.hosts=[127.0.0.1]", "segment_entity.min_box_iou=0.3"]
        (sample,) = made(GENERATION, tmp_path / "out", *sets, "check_completeness.min_largest_piece=0")
    assert sample.info["instruction"] == "<imagehere> smiles beside <imagehere>."
    assert sample.info["text"] == "A woman smiles beside a model."
    assert [round(edge / 512, 1) for edge in sample.info["instances"][0]["box"][:2]] == [0.0, 0.0]
    assert len(sample.refs) == 2


def test_subjects200k_gives_each_panel_as_the_other_ones_reference(tmp_path: Path) -> None:
    dataset = made(Path("configs/subject_generation_subjects200k.yaml"), tmp_path / "out")
    assert sorted(sample.info["instruction"] for sample in dataset) == [
        "<imagehere> sits before a flag.",
        "<imagehere> smiles, seen from near.",
        "<imagehere> stands on its launch pad at dusk.",
        "Floodlights shine on <imagehere>.",
    ]
    assert sorted(ends(tmp_path / "out").values()) == ["accepted"] * 4 + ["expanded"] * 2 + ["low_rating"]


def test_a_benchmark_has_both_backgrounds_and_what_people_wrote(tmp_path: Path) -> None:
    sheet = tmp_path / "bench.csv"
    sheet.write_bytes(Path("manifests/bench.csv").read_bytes())
    dataset = made(BENCH, tmp_path / "out", f"source.path={sheet}")
    tower = dataset.by_key("camera-0")
    assert tower.info["captions"]["target"] == "A white tower block stands behind low buildings and a lawn."
    assert tower.info["instruction"] == "add <imagehere> on the horizon in <imagehere>"
    white, black = tower.refs[0], tower.image("black_ref_0.png")
    assert (white[0, 0].tolist(), black[0, 0].tolist()) == ([255] * 3, [0] * 3)
    assert white.shape == black.shape
    changed, subject = tower.masks
    assert (changed | ~(tower.source != tower.target).any(axis=2)).all()
    assert (changed | ~subject).all()
    assert sum(sample.info["task"] == "subject_add" for sample in dataset) == 3
    assert sum(sample.info["task"] == "subject_replace" for sample in dataset) == 4


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        yield server


def asking(stage: str, role: str, chat: Chat) -> list[str]:
    place = f"{stage}.{role}.model"
    return [f"{place}.base_url={chat.address}", f"{place}.api_key_env=''", f"{place}.repairs=0"]


def answered(chat: Chat, **by_word: Any) -> None:
    """Answer each question by the first of these words that stands in it."""

    def act(handler: Any) -> None:
        found = words_of(chat.requests[-1])
        says(next(answer for word, answer in by_word.items() if word in found))(handler)

    chat.does(act)


def test_a_language_model_finds_entities_and_boxes_come_from_the_source(tmp_path: Path, chat: Chat) -> None:
    manifest = small_manifest(tmp_path)
    answered(
        chat,
        rocket={"entities": ["rocket", "launch pad", "moon"]},
        coins={"entities": []},
        galaxies={"entities": ["stars"]},
    )
    sets = [f"source.path={manifest}", *asking("find_entities", "finder", chat)]
    out = tmp_path / "out"
    (rocket,) = made(GENERATION, out, *sets, profile="api")
    assert rocket.info["instruction"].startswith("<imagehere> stands upright on its launch pad")
    found = ends(out)
    assert (found["rocket#1"], found["coins"], found["hubble#0"]) == ("no_box", "no_entity", "no_box")


@pytest.mark.torch
def test_tiny_models_stand_in_every_stage_of_the_gpu_profiles(tmp_path: Path, chat: Chat) -> None:
    import tiny_grounding
    import tiny_scorers

    manifest = small_manifest(tmp_path)
    manifest.write_text(manifest.read_text().splitlines()[0])
    clip, sam = tiny_scorers.clip(tmp_path / "clip"), tiny_grounding.save_sam(tmp_path / "sam.pth")
    loose = [f"source.path={manifest}", "find_entities.resources.batch_size=2"]
    for stage in ("match_caption", "match_entity"):
        loose += [f"{stage}.scorer.weights={clip}", f"{stage}.min_score=-1", f"{stage}.resources.gpus=0"]
    boxes = [
        f"segment_entity.segmenter.weights={sam}",
        "segment_entity.min_box_iou=0",
        "segment_entity.resources.gpus=0",
    ]
    made(GENERATION, tmp_path / "boxes", *loose, *boxes, profile="gpu")
    scored = [row for row in ledger_rows(tmp_path / "boxes").values() if row["status"] in ("accepted", "combined")]
    assert scored
    assert all({"caption_match", "entity_match", "box_ratio"} <= set(json.loads(row["scores"])) for row in scored)
    chat.does(says({"entities": ["rocket"]}))
    dino = tiny_grounding.save_grounding_dino(tmp_path / "dino")
    alone = [f"ground_entity.detector.weights={dino}", f"ground_entity.segmenter.weights={sam}"]
    alone += ["ground_entity.min_score=0", "ground_entity.resources.gpus=0", "filter_found_box.max_ratio=1"]
    alone += ["filter_found_box.min_ratio=0", *asking("find_entities", "finder", chat)]
    made(GENERATION, tmp_path / "captions", *loose, *alone, profile="gpu_captions")
    found = ledger_rows(tmp_path / "captions")
    assert "box_score" in json.loads(found["rocket#0"]["scores"])


@pytest.mark.torch
def test_a_benchmark_is_grounded_by_tiny_models(tmp_path: Path, chat: Chat) -> None:
    import tiny_grounding

    sheet = tmp_path / "bench.csv"
    sheet.write_text("id,decision,name,caption\ncoin-replaced,keep,coin,A coin.\ncoins-3,keep,coin,Coins.\n")
    answered(
        chat,
        **{"to the top row": {"subject": "coin", "instruction": "add <imagehere> to the top row"}},
        coin={"subject": "larger coin", "instruction": "replace the coin in the middle with <imagehere>"},
        **{"What does this picture show?": {"caption": "A coin on dark ground."}},
    )
    dino, sam = tiny_grounding.save_grounding_dino(tmp_path / "dino"), tiny_grounding.save_sam(tmp_path / "sam.pth")
    grounding = [f"ground_subject.detector.weights={dino}", f"ground_subject.segmenter.weights={sam}"]
    grounding += ["ground_subject.min_score=0", "ground_subject.resources.gpus=0", f"source.path={sheet}"]
    requests = asking("extract_subject", "extractor", chat) + asking("caption_target", "captioner", chat)
    out = tmp_path / "out"
    made(BENCH, out, *grounding, *requests, profile="gpu")
    for id in ("coin-replaced", "coins-3"):
        row = ledger_rows(out)[id]
        assert "box_score" in json.loads(row["scores"])
        assert row["reason"] in ("", "no_mask"), "weights that know nothing may find nothing"


def test_a_benchmark_asks_for_names_and_captions_and_people_have_the_last_word(tmp_path: Path, chat: Chat) -> None:
    sheet = tmp_path / "bench.csv"
    values = {"decision": "keep", "name": "lightning tower", "caption": "A tower."}
    added = "rocket-0,keep,rocket,A rocket.\n"
    sheet.write_text(
        f"id,{','.join(values)}\ntower-replaced,{','.join(values.values())}\ngalaxy-replaced,keep,,\n{added}"
    )
    extracted = {"subject": "a lightning tower", "instruction": "replace the rocket with <imagehere>"}
    answered(
        chat,
        **{"to the middle": {"subject": "a tall rocket", "instruction": "add <imagehere> to the middle"}},
        rocket=extracted,
        galaxy={"subject": "elliptical galaxy", "instruction": "replace the spiral galaxy with <imagehere>"},
        **{"What does this picture show?": {"caption": "Towers at dusk."}},
    )
    sets = [
        f"source.path={sheet}",
        *asking("extract_subject", "extractor", chat),
        *asking("caption_target", "captioner", chat),
    ]
    out = tmp_path / "out"
    rocket, tower = sorted(made(BENCH, out, *sets, profile="api"), key=lambda sample: str(sample.info["task"]))
    assert (rocket.info["task"], rocket.info["instruction"]) == (
        "subject_add",
        "add <imagehere> to the middle of <imagehere>",
    )
    assert (tower.info["subject"], tower.info["captions"]["target"]) == ("lightning tower", "A tower.")
    assert len(chat.requests) == 5, "what nobody decided about is not paid for"
    proposed = json.loads(ledger_rows(out)["galaxy-replaced"]["fields"])["proposed_name"]
    assert proposed == "elliptical galaxy"
