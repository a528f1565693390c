"""Batches that fit into memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, TypeVar

from datagen.core.errors import DataError

Given = TypeVar("Given")
Made = TypeVar("Made")


class Batches:
    """Calls a model on batches; one that runs out of memory is halved, and all later ones stay as small."""

    def __init__(self, size: int) -> None:
        self.size = size
        """Items that the model takes at once by now."""

    def map(self, items: Sequence[Given], call: Callable[[Sequence[Given]], Sequence[Made]]) -> list[Made]:
        """What `call` makes of the items, in their order. Raises `DataError` for an item too large by itself."""
        import torch

        made: list[Made] = []
        while len(made) < len(items):
            batch = items[len(made) : len(made) + self.size]
            try:
                part = call(batch)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                told = str(error).splitlines()[0]
            else:
                made += part
                continue
            if len(batch) == 1:  # outside of `except`, which would hold the failed call's tensors
                raise DataError(f"it does not fit into memory even alone: {told}")
            self.size = len(batch) // 2
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return made

    def map_grouped(
        self, items: Sequence[Given], call: Callable[[Sequence[Given]], Sequence[Made]], *, key: Callable[[Given], Any]
    ) -> list[Made]:
        """Like `map`, each batch of items with one key, such as pictures of one size; in the items' order."""
        order = sorted(range(len(items)), key=lambda index: key(items[index]))
        made: dict[int, Made] = {}
        for _, alike in groupby(order, key=lambda index: key(items[index])):
            group = list(alike)
            made |= zip(group, self.map([items[index] for index in group], call), strict=True)
        return [made[index] for index in range(len(items))]


_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cufft_alloc_failed",
)
"""What errors say, lowercase, that are a lack of memory and of no type of their own."""


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch, or a library of CUDA's below it, ran out of memory, on a GPU or on the CPU."""
    import torch

    told = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(words in told for words in _OUT_OF_MEMORY)
