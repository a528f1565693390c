"""Latents and text states that are stored: a second showing computes nothing, and what changed is computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finished import finished
from hypothesis import given
from hypothesis import strategies as st
from training_runs import Followed, ip2p_family, ip2p_training, steps_in

from datagen.core.errors import ConfigError, StoreError
from datagen.train.config import TrainConfig, load_training
from datagen.train.data.examples import ExamplePart, TrainingExample
from datagen.train.encodings import EncodingStore, encoding_revision
from datagen.train.gradients import Gradients
from datagen.train.loop import train
from datagen.train.models.ip2p import Ip2pConfig

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many examples each call of the frozen parts took."""
    calls: list[int] = []
    plain = Ip2pConfig.encode

    def counted(family: Ip2pConfig, model: Any, batch: Any) -> Any:
        calls.append(len(batch["source"]))
        return plain(family, model, batch)

    monkeypatch.setattr(Ip2pConfig, "encode", counted)
    return calls


def keeping(edits: Path, place: Path, folder: Path, **more: Any) -> TrainConfig:
    data = {
        "datasets": [{"path": str(edits), "split": None}],
        "sizes": [[32, 32]],
        "flip": 0,
        "crop": "middle",
        "keep_encoded": str(place / "encoded"),
    }
    return ip2p_training(edits, place / "out", folder, **{"data": data, "steps": 12, **more})


def example(**change: Any) -> TrainingExample:
    source, target = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    part = ExamplePart("make it red", (0.0, 0.0, 1.0, 1.0))
    return TrainingExample("k", source, target, (), "make it red", "make it red", (part,), False)._replace(**change)


def test_every_example_is_encoded_once_and_the_size_is_said(
    edits: Path, folder: Path, tmp_path: Path, encoded: list[int]
) -> None:
    followed = Followed()
    train(keeping(edits, tmp_path, folder), watcher=followed)  # two epochs of twelve samples
    assert encoded == [1] * 12
    lines = [text for text in followed.texts if "encoded examples" in text]
    assert "encoded: 0 encoded examples were there, 2 are new" in lines[0]
    assert "MB for all 12 samples" in lines[0]
    assert "12 are new" in lines[-1]
    encoded.clear()
    again = keeping(edits, tmp_path, folder).model_copy(update={"out": str(tmp_path / "again")})
    train(again, watcher=followed)
    assert not encoded
    assert steps_in(tmp_path / "again") == steps_in(tmp_path / "out")


def test_a_training_with_stored_encodings_resumes_to_the_bit(edits: Path, folder: Path, tmp_path: Path) -> None:
    train(keeping(edits, tmp_path / "whole", folder), watcher=Followed())
    config = keeping(edits, tmp_path / "broken", folder)
    with pytest.raises(KeyboardInterrupt):
        train(config, watcher=Followed(stop_after=5))
    train(config, watcher=Followed())
    assert steps_in(tmp_path / "broken" / "out") == steps_in(tmp_path / "whole" / "out")


def test_stored_encodings_give_the_losses_of_computed_ones(edits: Path, folder: Path, tmp_path: Path) -> None:
    storing = Gradients(keeping(edits, tmp_path, folder))
    plain = Gradients(ip2p_training(edits, tmp_path, folder))
    examples: Sequence[TrainingExample] = [example(), example(text="make it blue")]
    for _ in range(2):  # the second time from the store
        torch.testing.assert_close(storing.add(examples, seed=1), plain.add(examples, seed=1))
    for one, other in zip(storing.trained().values(), plain.trained().values(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_change_of_the_example_or_of_the_frozen_weights_is_another_entry(folder: Path, tmp_path: Path) -> None:
    family = ip2p_family(folder)
    model: Any = family.build()

    def revision(**more: Any) -> str:
        return encoding_revision(family.model_copy(update=more), model, precision="fp32", device="cpu")

    first = revision()
    store = EncodingStore(str(tmp_path), revision=first)
    store.put(example(), {"x": torch.arange(3.0)})
    found = store.find(example(key="another key"))
    assert found is not None
    assert found["x"].tolist() == [0, 1, 2]
    changed = np.array(example().source)
    changed[0, 0, 0] ^= 1
    others = ({"source": changed}, {"target": changed}, {"references": (changed,)}, {"text": "x"}, {"instruction": "x"})
    assert [store.find(example(**other)) for other in others] == [None] * len(others)
    assert revision(weights="./elsewhere") == first
    assert revision(words="instruction") != first
    with torch.no_grad():
        next(model.unet.parameters()).add_(1)  # it is trained: nothing that is stored depends on it
    assert revision() == first
    with torch.no_grad():
        model.vae.decoder.conv_in.bias[0] += 1
    assert EncodingStore(str(tmp_path), revision=revision()).find(example()) is None


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_entry_is_never_read(place: int, value: int) -> None:
    store = EncodingStore("memory://damaged", revision="r")
    store.put(example(), {"x": torch.arange(50.0)})
    [name] = store._store.files("r")
    data = bytearray(store._store.read(name))
    before = bytes(data)
    data[place % len(data)] = value
    store._store.write(name, bytes(data))
    assert (store.find(example()) is None) == (bytes(data) != before)


def test_an_entry_that_is_cut_off_is_made_again(edits: Path, folder: Path, tmp_path: Path, encoded: list[int]) -> None:
    gradients = Gradients(keeping(edits, tmp_path, folder))
    first = gradients.add([example()], seed=1)
    [path] = [path for path in (tmp_path / "encoded").rglob("*") if path.is_file()]
    path.write_bytes(path.read_bytes()[:100])
    assert gradients.add([example()], seed=1) == first
    assert gradients.add([example()], seed=1) == first
    assert encoded == [1, 1]


def test_a_place_that_cannot_be_written_is_named(edits: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "encoded").write_text("a file")
    with pytest.raises(StoreError, match="encoded"):
        Gradients(keeping(edits, tmp_path, folder)).add([example()], seed=1)


def test_a_family_that_encodes_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("train: x\nsteps: 1\ndata: {datasets: [{path: a}], keep_encoded: b}\n")
    with pytest.raises(ConfigError, match=r"keep_encoded: a model of the family 'small' encodes nothing; leave it out"):
        load_training(path)
