"""A dataset in a plain DataLoader: every usable sample once, as tensors that belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from finished import finished
from torch.utils.data import DataLoader

from datagen.shards.reader import open_dataset
from datagen.train.data.examples import WHOLE, ExamplePart, TrainingExample
from datagen.train.data.plain import PlainExamples, collate
from datagen.train.data.selection import Needs

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


def test_a_dataloader_shows_every_usable_sample_once(edits: Path) -> None:
    examples = PlainExamples(str(edits), size=(24, 16), split=None)
    batches = list(DataLoader(examples, batch_size=4, shuffle=True, collate_fn=collate))
    keys = [key for batch in batches for key in batch["key"]]
    assert len(keys) == len({*keys}) == len(examples)
    assert len(examples) + sum(examples.left_out.values()) == len(open_dataset(str(edits)))
    by_key = {example.key: example for example in examples}
    for batch in batches:
        assert batch["source"].shape[1:] == batch["target"].shape[1:] == (3, 16, 24)
        assert batch["text"] == [by_key[key].text for key in batch["key"]]
        for picture, key in zip(batch["target"], batch["key"], strict=True):
            seen = picture.add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(seen, by_key[key].target)


def test_what_differs_in_number_stays_by_example() -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    white = np.full((4, 6, 3), 255, np.uint8)
    one = TrainingExample("a", black, black, (white,), "put <imagehere>", "put it", (), False)
    two = one._replace(key="b", references=(), parts=(ExamplePart("x", WHOLE), ExamplePart("y", (0, 0, 0.5, 0.5))))
    batch = collate([one, two])
    assert [tuple(boxes.shape) for boxes in batch["boxes"]] == [(0, 4), (2, 4)]
    assert batch["parts"] == [[], ["x", "y"]]
    assert [len(pictures) for pictures in batch["references"]] == [1, 0]
    assert torch.equal(batch["references"][0][0], torch.ones(3, 4, 6))
    assert torch.equal(batch["source"], -torch.ones(2, 3, 8, 8))


def test_what_cannot_be_used_is_counted(edits: Path) -> None:
    examples = PlainExamples(str(edits), size=(24, 16), split=None, needs=Needs(boxes="required"))
    assert examples.left_out.get("no_boxes", 0) + len(examples) == len(open_dataset(str(edits)))
    assert examples.left_out["no_boxes"] > 0
