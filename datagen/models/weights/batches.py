"""Split work into batches, and halve the batch size when memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, TypeVar

from datagen.core.errors import DataError

Given = TypeVar("Given")
Made = TypeVar("Made")


class Batches:
    """Calls a model on batches. After an out-of-memory error the batch size is halved, for all later batches too."""

    def __init__(self, size: int) -> None:
        self.size = size
        """Current batch size."""

    def map(self, items: Sequence[Given], call: Callable[[Sequence[Given]], Sequence[Made]]) -> list[Made]:
        """The results of `call` for all items, in their order.

        `call` takes a batch and returns one result per item. Raises `DataError` if one item alone does not fit into
        memory.
        """
        import torch

        made: list[Made] = []
        while len(made) < len(items):
            batch = items[len(made) : len(made) + self.size]
            try:
                part = call(batch)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                message = str(error).splitlines()[0]
            else:
                made += part
                continue
            # Outside of `except`: the error's traceback holds the failed call's tensors, and memory would stay taken.
            if len(batch) == 1:
                raise DataError(f"it does not fit into memory even alone: {message}")
            self.size = len(batch) // 2
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return made

    def map_grouped(
        self, items: Sequence[Given], call: Callable[[Sequence[Given]], Sequence[Made]], *, key: Callable[[Given], Any]
    ) -> list[Made]:
        """Like `map`, but all items of a batch have the same `key`, such as the size of a picture.

        Results are in the order of the items.
        """
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
"""Parts of messages (lower case) of plain `RuntimeError`s that mean a lack of memory."""


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch or a CUDA library ran out of memory, on a GPU or on the CPU."""
    import torch

    message = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(part in message for part in _OUT_OF_MEMORY)
