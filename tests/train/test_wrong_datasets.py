"""What is wrong with a dataset is named before the first step, or costs no step that was done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finished import finished
from training_runs import Followed, small_training

from datagen.core.errors import ConfigError, DataError, StoreError
from datagen.train.config import TrainConfig
from datagen.train.loop import train

pytestmark = pytest.mark.torch
SHARD = "shards/train-000000.tar"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


@pytest.fixture
def edits(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "edits")
    return tmp_path / "edits"


def config_of(edits: Path, **data: Any) -> TrainConfig:
    return small_training(
        edits,
        edits.parent / "out",
        data={"datasets": [{"path": str(edits)}], "sizes": [[16, 16]], **data},
        steps=40,
        batch_size=2,
        checkpoints={},
        evaluation={"every": 100, "split": None, "samples": 1, "pictures": 0},
    )


def _cut(edits: Path) -> None:
    data = (edits / SHARD).read_bytes()
    (edits / SHARD).write_bytes(data[:-512])


def _spoil(edits: Path) -> None:
    """Another byte in the last picture, so that no size tells."""
    data = bytearray((edits / SHARD).read_bytes())
    data[data.rfind(b"IDAT") + 20] ^= 0xFF
    (edits / SHARD).write_bytes(bytes(data))


def _new_schema(edits: Path) -> None:
    info = json.loads((edits / "dataset.json").read_text())
    (edits / "dataset.json").write_text(json.dumps({**info, "format": 99}))


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        (lambda edits: (edits / SHARD).unlink(), {}, r"data\.datasets: .*train-000000\.tar is missing; `python -m"),
        (_cut, {}, r"train-000000\.tar has [\d,]+ bytes, dataset\.json lists"),
        (_spoil, {"check": "checksums"}, r"train-000000\.tar has another SHA-256 than dataset\.json lists"),
        (lambda edits: (edits / "dataset.json").unlink(), {}, r"data\.datasets: .* has no dataset\.json.*give the OUT"),
        (shutil.rmtree, {}, r"data\.datasets: .* has no dataset\.json.*give the OUT"),
        (_new_schema, {}, "dataset.json"),
    ],
)
def test_a_damaged_dataset_is_named_before_the_first_step(
    edits: Path, damage: Callable[[Path], Any], options: dict[str, Any], message: str
) -> None:
    damage(edits)
    followed = Followed()
    with pytest.raises(StoreError, match=message):
        train(config_of(edits, **options), watcher=followed)
    assert not followed.steps


def test_a_dataset_without_boxes_is_named_where_they_are_needed(edits: Path) -> None:
    config = config_of(edits)
    needing = config.model_copy(update={"model": config.model.model_copy(update={"boxes": "required"})})
    with pytest.raises(ConfigError, match=r"none of its .* samples can be used: .* no_boxes: an edit has no box"):
        train(needing, watcher=Followed())


def test_a_damaged_picture_ends_the_training_and_costs_no_step(edits: Path) -> None:
    _spoil(edits)
    followed = Followed()
    with pytest.raises(DataError, match=r"a picture of sample '.*' is damaged"):
        train(config_of(edits), watcher=followed)
    assert 0 < len(followed.steps) < 40
    stored = [path.name for path in (edits.parent / "out" / "checkpoints").glob("step-*.pt")]
    assert stored == [f"step-{len(followed.steps):08d}.pt"]
