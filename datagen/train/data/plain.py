"""A finished dataset for a plain `torch.utils.data.DataLoader`, without this trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from datagen.shards.reader import open_dataset
from datagen.train.data.examples import TrainingExample, make_example
from datagen.train.data.framing import Size
from datagen.train.data.selection import Needs, select
from datagen.train.models.pixels import pixels_of


class PlainExamples(Sequence[TrainingExample]):
    """The samples of a dataset that can be used, all at one size: a map-style dataset."""

    def __init__(self, address: str, *, size: Size, split: str | None = "train", needs: Needs | None = None) -> None:
        """`size` is width and height. `left_out` counts what cannot be used, by reason.

        Raises `StoreError` if there is no finished dataset, `ConfigError` for an unknown split.
        """
        self._dataset = open_dataset(address, split=split)
        self._used = select(self._dataset, needs or Needs(), sizes=[size])
        self._size = size
        self.left_out = dict(self._used.left_out)

    def __len__(self) -> int:
        return len(self._used.numbers)

    def __getitem__(self, index: Any) -> Any:
        """One example, seen from its middle and never mirrored. Raises `DataError` if a picture is damaged."""
        sample = self._dataset[self._used.numbers[int(index)]]
        return make_example(
            sample.read_all(), self._used.facts[int(index)], size=self._size, draw=(0,), flip=0, crop="middle"
        )


def collate(examples: Sequence[TrainingExample]) -> dict[str, Any]:
    """Examples of one size as a batch, for `DataLoader(..., collate_fn=collate)`.

    `source` and `target` are B,3,H,W from -1 to 1; `key`, `text` and `instruction` are B strings; `boxes` are B tensors
    m,4 from 0 to 1, a row for each of an example's m single edits, whose words are `parts`, B lists; `references` are B
    lists of pictures 3,h,w from -1 to 1, each of its own size.
    """
    return {
        "key": [example.key for example in examples],
        "source": pixels_of([example.source for example in examples]),
        "target": pixels_of([example.target for example in examples]),
        "text": [example.text for example in examples],
        "instruction": [example.instruction for example in examples],
        "parts": [[part.text for part in example.parts] for example in examples],
        "boxes": [
            torch.tensor([part.box for part in example.parts], dtype=torch.float32).view(-1, 4) for example in examples
        ],
        "references": [[pixels_of([picture])[0] for picture in example.references] for example in examples],
    }
