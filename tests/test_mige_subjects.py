"""Subject replacement from end to end, and profile gpu of both pipelines: photographs, tiny real models, a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from building import dataset_bytes, ledger_rows, run_local, write_manifest
from chat_server import Act, Chat, Request, chatting, says, words_of
from examples import small_manifest
from foreign_pairs import try_on, viton_hd
from PIL import Image as Pillow

import datagen
from datagen.execute.maintain.verify import verify
from datagen.models.language.config import OpenAIConfig
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph
from datagen.shards.reader import Sample

CONFIG = Path("configs/subject_replace.yaml")
ENDS = {
    "blue-suit": "accepted",
    "green-suit": "accepted",
    "tower": "accepted",
    "coin": "accepted",
    "galaxy": "accepted",
    "night": "check_main_subject/not_main_subject",
    "brighter": "filter_operation/other_operation",
    "no-fork": "filter_annotated_match/poor_match",
}
"""What was seen by looking at the pairs (manifests/README.md)."""


def graph(profile: str = "", *sets: str) -> Graph:
    return build(load(CONFIG, profile=profile, sets=sets))


def ends_of(out: Path) -> dict[str, str]:
    return {
        id: row["status"] if row["status"] == "accepted" else f"{row['stage']}/{row['reason']}"
        for id, row in ledger_rows(out).items()
    }


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("replace") / "out"
    run_local(graph(), place)
    return place


@pytest.fixture
def samples(out: Path) -> dict[str, Sample]:
    return {sample.key: sample for sample in datagen.open(str(out))}


def test_each_pair_ends_as_it_should(out: Path) -> None:
    assert ends_of(out) == ENDS
    assert verify(str(out)) == []


def test_samples_are_reference_source_target_and_an_instruction(samples: dict[str, Sample]) -> None:
    for sample in samples.values():
        info = sample.info
        assert info["task"] == "subject_replace"
        assert info["inputs"] == ["ref_0.png", "source.png"]
        assert sample.instruction.startswith("replace the ")
        assert sample.instruction.endswith("with <imagehere> in <imagehere>")
        assert "<imagehere>" not in info["text"]
        assert info["subject"] in info["text"]
        assert "aesthetic score of the target above 5.5" in info["unchecked"]
        assert "main subjects that are people or animals" in info["unchecked"]
        assert info["license"]
        by = {"annotated_match": "source", **({"mask_fit": "segment_subject"} if sample.masks[1:] else {})}
        assert {score["name"]: score["by"] for score in info["scores"]} == by
        assert sample.source.shape == sample.target.shape


def test_outside_its_first_mask_nothing_differs(samples: dict[str, Sample]) -> None:
    for sample in samples.values():
        may_differ = sample.masks[0] > 0
        assert not (sample.source != sample.target).any(axis=-1)[~may_differ].any()
        assert all((may_differ | ~(mask > 0)).all() for mask in sample.masks[1:])


def test_the_reference_is_what_the_target_shows(samples: dict[str, Sample]) -> None:
    for key, sample in samples.items():
        (reference,) = sample.refs
        assert reference.shape[0] == reference.shape[1]
        assert (reference[0, 0] == 255).all()
        if key == "green-suit":
            assert len(sample.masks) == 1, "its reference is a file of its own"
            continue
        mask = sample.masks[1] > 0
        x0, y0, x1, y1 = (int(edge) for edge in sample.info["edits"][0]["box"])
        assert mask[y0:y1, x0:x1].sum() == mask.sum() > 0
        assert (sample.source != sample.target).any(axis=-1)[mask].mean() > 0.3, "something was replaced there"
        shown = {tuple(colour) for colour in reference.reshape(-1, 3)}
        assert {tuple(colour) for colour in sample.target[mask]} <= shown, "cut out, and not enlarged"


def test_mige_keeps_people_and_animals_alone(tmp_path: Path) -> None:
    run_local(graph("", "check_main_subject.judge.also=[]"), tmp_path / "out")
    found = {id for id, end in ends_of(tmp_path / "out").items() if end == "accepted"}
    assert found == {"blue-suit", "green-suit"}


def test_a_rerun_changes_no_byte(out: Path, tmp_path: Path) -> None:
    run_local(graph(), tmp_path / "again")
    assert dataset_bytes(tmp_path / "again") == dataset_bytes(out)


def test_try_on_triplets_are_a_source(tmp_path: Path) -> None:
    folder = viton_hd(tmp_path)
    colours = {}
    for number, path in enumerate(sorted(folder.rglob("*.jpg"))):
        colours[f"{path.parent.name}/{path.name}"] = (30 * number, 250 - 30 * number, 90)
        Pillow.new("RGB", (24, 32), colours[f"{path.parent.name}/{path.name}"]).save(path)
    options = try_on(folder).model_dump(exclude_defaults=True)
    sets = [f"source.{key}={value}" for key, value in {"kind": "try_on", **options}.items()]
    run_local(graph("", *sets), tmp_path / "out")
    found = {sample.key: sample for sample in datagen.open(str(tmp_path / "out"))}
    assert set(ends_of(tmp_path / "out").values()) == {"accepted"}
    for person, garment in (("00001_00", "00002_00"), ("00002_00", "00001_00")):
        sample = found[f"{person}-{garment}"]
        shown = {"image": sample.source, "result": sample.target}
        for place, picture in shown.items():
            assert np.abs(picture.mean(axis=(0, 1)) - colours[f"{place}/{person}.jpg"]).max() < 3, place
        height, width = (length // 2 for length in sample.refs[0].shape[:2])
        assert np.abs(sample.refs[0][height, width].astype(int) - colours[f"cloth/{garment}.jpg"]).max() < 3
        assert sample.instruction == "replace the top with <imagehere> in <imagehere>"
        assert sample.info["subject"] == "top"
        assert sample.refs[0].shape[0] == sample.refs[0].shape[1]


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        server.act = answers
        yield server


def answers(request: Request, number: int) -> Act:
    """A language model that knows the demo."""
    words = words_of(request).splitlines()
    wanted = request["response_format"]["json_schema"]["name"]
    if wanted == "Verdict":
        about = next(line for line in words if line.startswith("The instruction:"))
        return says({"answer": "astronaut" in about or "coin" in about, "reason": "so it is"})
    if wanted == "ExtractionForm":
        text = next(line for line in words if line.startswith("The instruction:")).split("data>")[1][:-2]
        before, _, new = text.partition(" with ")
        return says({"subject": new, "instruction": f"{before} with <imagehere>"})
    raise AssertionError(f"nobody should ask for {wanted}")


def server(chat: Chat, *stages: str) -> list[str]:
    values = (f"base_url={chat.address}", "api_key_env=''")
    return [f"{stage}.model.{value}" for stage in stages for value in values]


ASKING = ("check_main_subject.judge", "extract_subject.extractor")


@pytest.mark.parametrize("config", sorted(Path("configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_hired_model_of_profile_api_has_prices_a_pace_and_a_budget(config: Path) -> None:
    if "api" not in yaml.safe_load(config.read_text()).get("profiles", {}) or config.stem == "mix":
        pytest.skip("it has no such profile, or is made of datasets that are not there")
    made = build(load(config, profile="api"))
    for node in made.nodes:
        for _, role in node.config:
            model = getattr(role, "model", None)
            if isinstance(model, OpenAIConfig):
                unset = {"requests_per_minute", "usd_per_million_in", "usd_per_million_out", "budget_usd"}
                assert unset <= model.model_fields_set, node.id


def test_profile_api_asks_about_text_and_takes_known_objects(tmp_path: Path, chat: Chat) -> None:
    run_local(graph("api", *server(chat, *ASKING, "ask_boxes.asker")), tmp_path / "out")
    ends = ends_of(tmp_path / "out")
    assert {id for id, end in ends.items() if end == "check_main_subject/not_main_subject"} == {
        "tower",
        "galaxy",
        "night",
    }
    assert ends["green-suit"] == "accepted"
    found = {row["id"]: json.loads(row["fields"]) for row in ledger_rows(tmp_path / "out").values()}
    assert found["coin"]["subject"] == "larger coin"
    assert len(chat.requests) == 5 + 3, "five main subjects, three instructions, and no boxes, as objects are annotated"


def grounding_dino(folder: Path) -> Path:
    """At 64 pixels a square picture would be one pixel in the model's last layer."""
    import tiny_grounding
    import transformers

    processor = transformers.GroundingDinoProcessor.from_pretrained(tiny_grounding.save_grounding_dino(folder))
    processor.image_processor.size = {"shortest_edge": 96, "longest_edge": 144}
    processor.save_pretrained(folder)
    return folder


@pytest.mark.torch
def test_profile_gpu_runs_on_real_models(tmp_path: Path, chat: Chat) -> None:
    """Tiny ones, of random weights: what they find means nothing, that every stage runs on what the last one gave does."""
    import tiny_grounding
    import tiny_scorers

    clip = str(tiny_scorers.clip(tmp_path / "clip"))
    weights = {
        "filter_aesthetic.predictor.weights": tiny_scorers.laion_v2(tmp_path / "laion.pth"),
        "filter_aesthetic.predictor.encoder": f"{{kind: clip, weights: {clip}}}",
        "filter_aesthetic.min_score": -100,
        "ground_subject.detector.weights": grounding_dino(tmp_path / "dino"),
        "ground_subject.segmenter.weights": tiny_grounding.save_sam(tmp_path / "sam.pth"),
        "ground_subject.min_score": 0,
    }
    small = ["filter_aesthetic.resources.gpus=0", "ground_subject.resources.gpus=0"]
    sets = [*(f"{key}={value}" for key, value in weights.items()), *small, *server(chat, *ASKING)]
    made = graph("gpu", *sets)
    assert {"ground_subject", "filter_aesthetic"} <= {node.id for node in made.nodes}
    assert not {"choose_subject", "segment_subject", "ask_boxes"} & {node.id for node in made.nodes}
    run_local(made, tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert {row["status"] for row in rows.values()} <= {"accepted", "rejected"}
    scores: dict[str, Any] = {id: json.loads(row["scores"]) for id, row in rows.items()}
    assert {id for id, found in scores.items() if "box_score" in found} == {"blue-suit", "coin"}
    assert {id for id, found in scores.items() if "aesthetic" in found} == {
        "blue-suit",
        "coin",
        "tower",
        "galaxy",
        "night",
    }
    assert all(np.isfinite(value) for found in scores.values() for value in found.values())


def knows_all(request: Request, number: int) -> Act:
    """Says yes to everything, and calls it a small thing."""
    instruction = {"instruction": "Add <imagehere> to the top of <imagehere>. It is small.", "relations": []}
    wanted = request["response_format"]["json_schema"]["name"]
    return says({"Verdict": "True.", "NameForm": {"name": "small thing"}, "InstructionForm": instruction}[wanted])


@pytest.mark.torch
def test_subject_addition_in_profile_gpu_runs_on_real_models(tmp_path: Path, chat: Chat) -> None:
    """As above; one picture has annotated objects, and those of the other are looked for."""
    import tiny_grounding
    import tiny_inpainter
    import tiny_scorers

    chat.act = knows_all
    rows = [json.loads(line) for line in small_manifest(tmp_path).read_text().splitlines()]
    bare = {**rows[0], "id": "bare", "objects": []}
    manifest = write_manifest(tmp_path / "two.jsonl", [rows[1], bare])
    with pytest.warns(FutureWarning, match="deprecated"):
        tiny_inpainter.save(tmp_path / "lama.pt")
    clip = f"{{kind: clip, weights: {tiny_scorers.clip(tmp_path / 'clip')}}}"
    options = {
        "source.path": manifest,
        "filter_aesthetic.predictor.weights": tiny_scorers.laion_v2(tmp_path / "laion.pth"),
        "filter_aesthetic.predictor.encoder": clip,
        "filter_aesthetic.min_score": -100,
        "detect_objects.detector.weights": grounding_dino(tmp_path / "dino"),
        "detect_objects.segmenter.weights": tiny_grounding.save_sam(tmp_path / "sam.pth"),
        "detect_objects.min_score": 0,
        "detect_objects.max_objects": 3,
        "detect_objects.phrases": "[a cup, a red box]",
        "segment_subject.min_box_iou": 0,
        "filter_foreground.min_ratio": 0,
        "filter_foreground.max_ratio": 1,
        "remove_subject.dilate_px": 0,
        "remove_subject.inpainter.weights": tmp_path / "lama.pt",
        **{f"check_removal.{bound}": 1e6 for bound in ("max_seam", "max_strangeness")},
        **dict.fromkeys(("check_removal.min_texture", "check_removal.min_inside_change"), 0),
        **{f"{stage}.resources.gpus": 0 for stage in ("filter_aesthetic", "detect_objects", "remove_subject")},
    }
    asking = ("check_completeness.judge", "name_subject.namer", "write_instruction.writer")
    sets = [*(f"{key}={value}" for key, value in options.items()), *server(chat, *asking)]
    run_local(build(load(Path("configs/subject_add.yaml"), profile="gpu", sets=sets)), tmp_path / "out")
    rows_of = ledger_rows(tmp_path / "out")
    assert not [row["detail"] for row in rows_of.values() if row["status"] == "failed"]
    found = {sample.info["id"]: sample for sample in datagen.open(str(tmp_path / "out"))}
    assert any(id.startswith("bare#") for id in found), "objects were found where none are annotated"
    assert any(not id.startswith("bare#") for id in found)
    for sample in found.values():
        assert sample.info["subject"] == "small thing"
        assert {"aesthetic", "foreground_ratio"} <= {score["name"] for score in sample.info["scores"]}
        assert "small thing" not in {neighbour["object"] for neighbour in sample.info["relations"]}
