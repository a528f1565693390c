from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from making import packed, record

from datagen.core.errors import ConfigError, StoreError
from datagen.shards.index import DATASET, INDEX
from datagen.shards.reader import Dataset, open_dataset
from datagen.storage.store import Store


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> str:
    address = str(tmp_path_factory.mktemp("out"))
    packed(Store(address), [record(f"r{number}", refs=2, masks=1, seed=number) for number in range(9)])
    return address


def test_it_is_a_sequence(out: str) -> None:
    dataset = open_dataset(out)
    keys = [sample.key for sample in dataset]
    assert len(dataset) == 9
    assert sorted(keys) == [f"r{number}" for number in range(9)]
    assert dataset[-1].key == dataset[8].key == keys[8]
    assert [sample.key for sample in dataset[2:7:2]] == keys[2:7:2]
    assert isinstance(dataset[1:3], Dataset)
    with pytest.raises(IndexError):
        dataset[9]


def test_a_split_is_a_dataset_too(out: str) -> None:
    train, val = open_dataset(out, split="train"), open_dataset(out, split="val")
    assert {sample.split for sample in train} == {"train"}
    assert {sample.split for sample in val} == {"val"}
    assert len(train) + len(val) == 9
    assert train.by_key(train[1].key).key == train[1].key
    with pytest.raises(KeyError):
        train.by_key(val[0].key)


def test_a_sample_has_its_members_by_name_and_role(out: str) -> None:
    sample = open_dataset(out).by_key("r3")
    item = record("r3", refs=2, masks=1, seed=3)
    assert sample.members == ("json", "mask_0.png", "ref_0.png", "ref_1.png", "source.png", "target.png", "txt")
    assert np.array_equal(sample.image("source"), item["source"].array)
    assert np.array_equal(sample.image("ref_1.png"), sample.refs[1])
    assert sample.target.dtype == np.uint8
    assert sample.info["id"] == "r3"
    assert sample.read("txt").decode() == item["text"]


def test_a_whole_sample_is_one_read(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[int] = []
    read_range = Store.read_range

    def counted(store: Store, name: str, *, start: int, size: int) -> bytes:
        lines.append(start)
        return read_range(store, name, start=start, size=size)

    for sample in open_dataset(out):
        expected = {name: sample.read(name) for name in sample.members}
        with monkeypatch.context() as patch:
            patch.setattr(Store, "read_range", counted)
            assert sample.read_all() == expected
    assert len(lines) == 9


def test_a_member_that_is_not_there_is_told_with_the_nearest(out: str) -> None:
    with pytest.raises(StoreError, match=r"no member 'targte\.png'; did you mean 'target\.png'\?"):
        open_dataset(out)[0].image("targte.png")


def test_it_goes_to_workers_without_its_index(out: str) -> None:
    dataset = open_dataset(out)[3:]
    sent = pickle.dumps(dataset)
    assert len(sent) < 2000
    assert [sample.key for sample in pickle.loads(sent)] == [sample.key for sample in dataset]
    sample = pickle.loads(pickle.dumps(dataset[0]))
    assert sample.read("json") == dataset[0].read("json")


def test_an_unknown_split_names_the_known_ones(out: str) -> None:
    with pytest.raises(ConfigError, match=r"no split 'vall'; did you mean 'val'\?"):
        open_dataset(out, split="vall")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("foreign", "is no dataset of datagen, dataset.json is missing"),
        ("nothing", "does not exist"),
        ("unfinished", "holds no finished dataset"),
        ("broken", "dataset.json is damaged"),
        ("empty", "dataset.json is damaged"),
        ("newer", "has format 2, this datagen reads 1"),
        ("list", "has format None"),
        ("less", "dataset.json is damaged at totals"),
        ("no index", "index.parquet is missing"),
        ("index", "index.parquet is damaged"),
        ("short index", "has 3 samples, dataset.json 9"),
    ],
)
def test_what_is_no_whole_dataset_is_told(tmp_path: Path, out: str, change: str, message: str) -> None:
    store = Store(str(tmp_path / "out"))
    whole = (Path(out) / DATASET).read_bytes()
    index = (Path(out) / INDEX).read_bytes()
    if change == "short index":
        small = Store(str(tmp_path / "small"))
        packed(small, [record(f"r{number}") for number in range(3)])
        index = small.read(INDEX)
    files: dict[str, dict[str, bytes]] = {
        "foreign": {"cat.jpg": b"x"},
        "unfinished": {"run/config.yaml": b"x"},
        "broken": {DATASET: whole[:100]},
        "empty": {DATASET: b""},
        "newer": {DATASET: whole.replace(b'"format": 1', b'"format": 2')},
        "list": {DATASET: b"[]"},
        "less": {DATASET: whole.replace(b'"totals"', b'"sums"')},
        "no index": {DATASET: whole},
        "index": {DATASET: whole, INDEX: index[:-9]},
        "short index": {DATASET: whole, INDEX: index},
    }
    for name, data in files.get(change, {}).items():
        store.write(name, data)
    with pytest.raises(StoreError) as caught:
        open_dataset(store.address)
    assert message in str(caught.value)


@pytest.mark.subprocess
def test_the_reader_is_light_to_import() -> None:
    code = "import sys, datagen.shards.reader; print(*sys.modules, sep='\\n')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pyarrow", "pandas", "PIL", "cv2", "ray", "torch"} & set(found.stdout.split())
