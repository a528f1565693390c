"""configs/instruct_edit.yaml whole: the repository's edits, foreign layouts, and the aesthetic bound with a real head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import ledger_rows, run_local
from foreign_edits import MAKERS
from picture_files import saved
from pictures import photograph

import datagen
from datagen.execute.maintain.verify import verify
from datagen.imaging.image import Image
from datagen.pipeline.config import load
from datagen.pipeline.graph import build

CONFIG = Path("configs/instruct_edit.yaml")
INSTRUCTIONS = [
    "Brighten <imagehere>",
    "Paint the rocket orange in <imagehere>.",
    "Remove the rocket from <imagehere>.",
    "Add a rocket to <imagehere>, standing on the pad",
    "make <imagehere> black and white",
    "Increase the contrast of <imagehere>!",
    "Flip <imagehere> horizontally.",
    "Blur everything but the astronaut in <imagehere>",
    "have <imagehere> look like an old sepia photograph",
    "Turn <imagehere> into a negative.",
    "Remove the spiral galaxy in <imagehere>",
    "Colour the spiral galaxy green in <imagehere>",
]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("edits") / "out"
    summary = run_local(build(load(CONFIG)), out)
    assert (summary.counts.accepted, summary.counts.failed, summary.counts.rejected) == (12, 0, {})
    return out


def test_the_edits_of_the_repository(embedded: Path) -> None:
    assert verify(str(embedded)) == []
    samples = sorted(datagen.open(str(embedded)), key=lambda sample: str(sample.info["id"]))
    assert [sample.instruction for sample in samples] == INSTRUCTIONS
    for sample in samples:
        assert set(sample.members) == {"json", "source.png", "target.png", "txt"}
        assert sample.info["inputs"] == ["source.png"]
        assert sample.info["text"] == sample.read("txt").decode()
        assert "<imagehere>" not in sample.info["text"]
        assert sample.info["unchecked"] == ["target aesthetic score above 5.5"]
        assert sample.info["license"] == "LicenseRef-Public-Domain"
        folder, seed = sample.info["id"].split("/")
        for side, pixels in enumerate((sample.source, sample.target)):
            data = Path(f"manifests/edits/{folder}/{seed}_{side}.jpg").read_bytes()
            assert np.array_equal(pixels, Image.decode(data).array)


@pytest.mark.parametrize("layout", MAKERS)
def test_every_layout_runs_through(layout: str, tmp_path: Path) -> None:
    source = MAKERS[layout](tmp_path / "data")
    graph = build(load(CONFIG))
    summary = run_local(type(graph)(graph.loaded, source, graph.nodes, graph.catalogue), tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert summary.counts.failed == 0
    assert len(rows) == len(list(source.rows()))
    assert {row["reason"] for row in rows.values()} <= {"", "duplicate"}


def test_the_turns_of_a_session_are_never_torn_between_train_and_val(tmp_path: Path) -> None:
    names = ("astronaut.png", "coffee.png", "rocket.jpg", "chelsea.png", "hubble_deep_field.jpg")
    turns = []
    for name in names:
        pixels = photograph(name).array[::3, ::3].copy()
        for turn in (1, 2, 3):
            edited = pixels.copy()
            edited[10 * turn : 10 * turn + 25, 20:60] = (250, 30 * turn, 40)
            pictures = {"source_img": saved(pixels, "PNG"), "target_img": saved(edited, "PNG")}
            turns.append({"img_id": name, "turn_index": turn, "instruction": f"add sign {turn}", **pictures})
            pixels = edited
    (tmp_path / "set").mkdir()
    pq.write_table(pa.Table.from_pylist(turns), tmp_path / "set" / "train-00000-of-00001.parquet")
    sets = ["source.kind=magicbrush", f"source.path={tmp_path}/set", "output.val_fraction=0.5"]
    summary = run_local(build(load(CONFIG, sets=sets)), tmp_path / "out")
    assert summary.counts.accepted == 15
    splits: dict[str, set[str]] = {}
    for sample in datagen.open(str(tmp_path / "out")):
        splits.setdefault(str(sample.info["id"]).rpartition("/")[0], set()).add(sample.split)
    assert {name: len(found) for name, found in splits.items()} == dict.fromkeys(names, 1)
    assert {split for found in splits.values() for split in found} == {"train", "val"}


@pytest.mark.torch
def test_what_datasets_itself_writes_is_read(tmp_path: Path) -> None:
    import datasets as hub

    features = hub.Features(
        {name: hub.Image() for name in ("input_image", "output_image")}
        | {name: hub.Value("string") for name in ("input", "edit", "inverse_edit", "output")}
    )
    pictures = [{"bytes": saved(np.full((8, 9 + n, 3), 40 * n, np.uint8), "PNG"), "path": None} for n in range(4)]
    texts = {name: [f"{name} {n}" for n in range(2)] for name in ("input", "edit", "inverse_edit", "output")}
    data = {"input_image": pictures[:2], "output_image": pictures[2:], **texts}
    hub.Dataset.from_dict(data, features=features).save_to_disk(str(tmp_path / "set"))
    sets = ["source.kind=hq_edit", f"source.path={tmp_path}/set", "source.direction=both"]
    summary = run_local(build(load(CONFIG, sets=sets)), tmp_path / "out")
    assert (summary.counts.accepted, summary.counts.failed) == (4, 0)


@pytest.mark.torch
def test_profile_gpu_keeps_targets_above_the_bound_of_its_predictor(tmp_path: Path) -> None:
    import tiny_scorers

    clip = str(tiny_scorers.clip(tmp_path / "clip"))
    head = str(tiny_scorers.laion_v2(tmp_path / "laion.pth"))
    sets = [
        f"filter_aesthetic.predictor={{kind: laion_v2, weights: {head}, encoder: {{kind: clip, weights: {clip}}}}}",
        "filter_aesthetic.resources.gpus=0",
    ]
    config = load(CONFIG, profile="gpu", sets=[*sets, "filter_aesthetic.min_score=-50"])
    assert config.unchecked == ()
    run_local(build(config), tmp_path / "out")
    scores = {
        sample.info["id"]: next(score["value"] for score in sample.info["scores"] if score["name"] == "aesthetic")
        for sample in datagen.open(str(tmp_path / "out"))
    }
    assert len(scores) == 12
    bound = sorted(scores.values())[6]
    config = load(CONFIG, profile="gpu", sets=[*sets, f"filter_aesthetic.min_score={bound}"])
    summary = run_local(build(config), tmp_path / "out")
    assert summary.counts.rejected == {"filter_aesthetic/low_aesthetic": 6}
    found = {sample.info["id"] for sample in datagen.open(str(tmp_path / "out"))}
    assert found == {id for id, score in scores.items() if score >= bound}
