"""A finished dataset is read by `datasets.load_dataset(OUT)`, whole, in the types of its card."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from making import composed, packed, record
from PIL import Image as Pillow

from datagen.core.record import Record
from datagen.imaging.image import Image
from datagen.shards.dataset_card import features
from datagen.shards.index import CARD
from datagen.shards.info import SampleInfo
from datagen.shards.options import OutputOptions
from datagen.shards.reader import open_dataset
from datagen.storage.store import Store

OPTIONS = OutputOptions(val_fraction=0.3, shard_mb=0.03)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The `datasets` package, told to keep off the network and the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import datasets
        datasets.disable_progress_bars()
        yield datasets


def varied() -> list[Record]:
    """Samples that differ in what they have; what is optional comes late, to mislead a reader that guesses."""
    plain = [record(f"a{number}", refs=0, masks=0, seed=9 * number) for number in range(20)]
    rich = [
        record(
            f"b{number}",
            refs=1 + number % 2,
            masks=2,
            seed=500 + 9 * number,
            sounds=[b"fLaC" + bytes([number])],
            relations=[{"subject": "coin", "predicate": "left of", "object": "cup"}],
            instances=[{"label": "coin", "box": [0, 1, 2, 3], "mask": "mask_1", "attributes": ["old", "brass"]}],
        )
        for number in range(6)
    ]
    return plain + rich


def expected(items: list[Record]) -> dict[str, dict[str, Any]]:
    """By key, what each sample's members hold."""
    return {sample.key: {**sample.members} for sample in map(composed, items)}


def check_row(row: dict[str, Any], members: dict[str, bytes]) -> None:
    """Every member is there, as it was; every other column is empty."""
    for name, value in row.items():
        if name in ("__key__", "__url__"):
            continue
        if name not in members:
            assert value is None, name
        elif name == "json":
            assert value == json.loads(members["json"])
        elif name == "txt":
            assert value.encode() == members["txt"]
        elif name.endswith(".flac"):
            assert value == members[name]
        else:
            with Pillow.open(io.BytesIO(members[name])) as opened:
                assert np.array_equal(np.array(value), np.array(opened)), name
    assert set(members) <= set(row)


def card_features(hub: ModuleType, out: Path) -> Any:
    front = yaml.safe_load((out / CARD).read_text().split("---\n")[1])
    return hub.Features._from_yaml_list(front["dataset_info"]["features"])


def pack_plain_first(items: list[Record], out: Path) -> None:
    """The first five samples of the first shard are plain ones, whatever the shuffle."""
    seed = 0
    while True:
        packed(Store(str(out)), items, options=OPTIONS, seed=seed)
        first = open_dataset(str(out), split="train")[:5]
        if all(sample.key.startswith("a") for sample in first):
            return
        seed += 1


@pytest.mark.parametrize("streaming", [False, pytest.param(True, marks=pytest.mark.torch)])
def test_nothing_is_lost(hub: ModuleType, tmp_path: Path, streaming: bool) -> None:
    items = varied()
    out = tmp_path / "out"
    pack_plain_first(items, out)
    loaded = hub.load_dataset(str(out), cache_dir=str(tmp_path / "cache"), streaming=streaming)
    assert set(loaded) == {"train", "val"}
    wanted = expected(items)
    rows = {row["__key__"]: row for split in loaded.values() for row in split}
    assert set(rows) == set(wanted)
    for key, members in wanted.items():
        check_row(rows[key], members)
    for split in loaded.values():
        assert split.features == card_features(hub, out)


@pytest.mark.torch
def test_diffusers_script_of_instruct_pix2pix_finds_its_columns(hub: ModuleType, tmp_path: Path) -> None:
    """--original_image_column source.png --edited_image_column target.png --edit_prompt_column txt, as it reads them."""
    out = tmp_path / "out"
    items = [record(f"a{number}", refs=0, masks=0, seed=9 * number) for number in range(12)]
    packed(Store(str(out)), items, options=OPTIONS)
    train = hub.load_dataset(str(out), None, cache_dir=str(tmp_path / "cache"))["train"]
    assert {"source.png", "target.png", "txt"} <= {*train.column_names}

    def preprocess(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for column in ("source.png", "target.png"):
            pictures = [np.array(picture.convert("RGB").resize((16, 16))) for picture in rows[column]]
            rows[column] = [picture.transpose(2, 0, 1) for picture in pictures]
        return {**rows, "words": list(rows["txt"])}

    wanted = {sample.key: sample.info["text"] for sample in open_dataset(str(out), split="train")}
    seen = train.shuffle(seed=0).select(range(len(train))).with_transform(preprocess)
    rows = [seen[number] for number in range(len(seen))]
    assert {row["__key__"]: row["words"] for row in rows} == wanted
    assert {np.shape(row[column]) for row in rows for column in ("source.png", "target.png")} == {(3, 16, 16)}


def test_features_are_those_of_the_schema(hub: ModuleType) -> None:
    loaded = hub.Features._from_yaml_list(features(["ref_0.png", "audio_0.flac"]))
    assert list(loaded) == ["audio_0.flac", "json", "ref_0.png", "txt", "__key__", "__url__"]
    assert loaded["ref_0.png"] == hub.Image()
    assert list(loaded["json"]) == [field.alias or name for name, field in SampleInfo.model_fields.items()]
    assert loaded["json"]["edits"].feature["candidates"].feature["box"] == hub.List(hub.Value("float64"))
    assert loaded._to_yaml_list() == features(["ref_0.png", "audio_0.flac"])


def test_a_rotated_photograph_is_upright_for_every_reader(hub: ModuleType, tmp_path: Path) -> None:
    photograph = Pillow.fromarray(np.arange(8 * 4 * 3, dtype=np.uint8).reshape(8, 4, 3) * 2)
    turned = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x0112] = 6
    photograph.transpose(Pillow.Transpose.ROTATE_90).save(turned, "JPEG", exif=exif, quality=100, subsampling=0)
    item = record("a").adding({"source": Image.decode(turned.getvalue())})
    out = tmp_path / "out"
    options = OutputOptions.model_validate({"images": {"format": "jpg", "quality": 100, "keep_originals": True}})
    packed(Store(str(out)), [item], options=options)
    [row] = hub.load_dataset(str(out), cache_dir=str(tmp_path / "cache"), split="train")
    assert row["source.jpg"].size == (4, 8)
    assert row["json"]["size"] == [4, 8]
    with Pillow.open(io.BytesIO(composed(item, images=options.images).members["source.jpg"])) as opened:
        assert opened.size == (4, 8)
        assert opened.getexif().get(0x0112, 1) == 1
    assert np.abs(np.array(row["source.jpg"]).astype(int) - np.array(photograph)).max() < 16


def test_an_empty_dataset_is_told_as_such(hub: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "out"
    packed(Store(str(out)), [])
    with pytest.raises(FileNotFoundError, match="data files found"):
        hub.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))


def test_the_card_counts_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    dataset = packed(Store(str(out)), [record(f"r{number}", seed=number) for number in range(9)]).dataset
    front = yaml.safe_load((out / CARD).read_text().split("---\n")[1])
    assert front["license"] == "cc0-1.0"
    assert front["size_categories"] == ["n<1K"]
    assert {split["name"]: split["num_examples"] for split in front["dataset_info"]["splits"]} == {
        "train": dataset.samples("train"),
        "val": dataset.samples("val"),
    }
