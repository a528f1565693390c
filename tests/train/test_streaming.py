"""Batches streamed by webdataset: every usable sample in each round, none that was left out, and a training on them."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from finished import finished
from pydantic import ValidationError
from training_runs import Followed, small_options, small_training

from datagen.core.errors import ConfigError
from datagen.train.config import TrainConfig
from datagen.train.data.streaming import StreamedBatches
from datagen.train.loop import train
from datagen.train.preparation import Prepared, prepare

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


def config_of(edits: Path, place: Path, **more: Any) -> TrainConfig:
    data = {**small_options(edits, place)["data"], "loader": "webdataset", **more.pop("data", {})}
    evaluation = {"every": 9, "split": None, "samples": 1, "pictures": 0}
    return small_training(edits, place, **{"data": data, "steps": 4, "batch_size": 2, "evaluation": evaluation, **more})


def keys_of(prepared: Prepared, number: int, *, start: int = 0) -> list[str]:
    with closing(prepared.stream().stream(start)) as batches:
        return [batch[0].key for batch in islice(batches, number)]


def test_each_round_shows_every_usable_sample_once(edits: Path, tmp_path: Path) -> None:
    one_size = {"sizes": [[16, 16]]}
    prepared = prepare(config_of(edits, tmp_path, batch_size=1, data=one_size))
    number = len(prepared.selected[0].numbers)
    keys = keys_of(prepared, 2 * number)
    assert {*keys} == {facts.key for facts in prepared.selected[0].facts}
    assert set(Counter(keys[:number]).values()) == {1}
    assert keys[:number] != keys[number:], "rounds differ in order"
    assert keys_of(prepared, number) == keys[:number], "it follows from the seed and the first step"
    assert keys_of(prepared, number, start=7) != keys[:number]


def test_batches_are_full_and_of_one_size(edits: Path, tmp_path: Path) -> None:
    prepared = prepare(config_of(edits, tmp_path, batch_size=3))
    with closing(prepared.stream().stream(0)) as batches:
        for batch in islice(batches, 12):
            assert len(batch) == 3
            assert len({example.source.shape for example in batch}) == 1


def test_datasets_are_drawn_from_by_their_weights(edits: Path, tmp_path: Path) -> None:
    datasets = [{"path": str(edits), "split": "train", "weight": 3}, {"path": str(edits), "split": "val", "weight": 1}]
    prepared = prepare(config_of(edits, tmp_path, batch_size=1, data={"datasets": datasets, "sizes": [[16, 16]]}))
    of_val = {facts.key for facts in prepared.selected[1].facts}
    sizes = [len(chosen.numbers) for chosen in prepared.selected]
    keys = keys_of(prepared, 400)
    expected = sizes[1] / (3 * sizes[0] + sizes[1])
    assert sum(key in of_val for key in keys) / 400 == pytest.approx(expected, abs=0.1)


def test_a_training_streams_and_says_what_that_means(edits: Path, tmp_path: Path) -> None:
    followed = Followed()
    train(config_of(edits, tmp_path / "out"), watcher=followed)
    assert [report.step for report in followed.steps] == [1, 2, 3, 4]
    assert any("sees other samples than an unbroken one" in text for text in followed.texts)
    with pytest.raises(ConfigError, match="another value of data"):
        train(config_of(edits, tmp_path / "out", data={"loader": "grain"}), watcher=Followed())


def test_what_it_cannot_do_is_named(edits: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"data\.loader: webdataset loads for one process; use grain"):
        config_of(edits, tmp_path, processes=2, micro_batch=1)
    options = {"weights": [1.0], "sizes": [(16, 16)], "batch_size": 1, "seed": 0, "flip": 0.0, "crop": "middle"}
    with pytest.raises(ConfigError, match="is in a bucket; use grain"):
        StreamedBatches(["s3://bucket/out"], [None], [], **options)  # type: ignore[arg-type]
