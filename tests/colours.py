"""A scorer of colours: a picture lies where its mean colour does, a text where the colours that it names do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.image import Image

SCORER = {"kind": "clip", "weights": "./never-loaded"}
_AXES = ("red", "green", "blue")


class Colours:
    """An `ImageTextScorer` that needs no weights, and counts what it is asked."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.calls = 0

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        self.calls += 1
        return _unit([image.reshape(-1, 3).mean(0) for image in images])

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        self.requests += texts
        return _unit([[name in text.lower() for name in _AXES] for text in texts])


def _unit(rows: Any) -> NDArray[np.float32]:
    found = np.asarray(rows, np.float32).reshape(-1, 3)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(lengths > 0, lengths, 1).astype(np.float32)


def plain(*colour: int, size: tuple[int, int] = (8, 6)) -> Image:
    """A picture of one colour."""
    return Image.of(np.full((size[1], size[0], 3), colour, np.uint8))


RED, GREEN, BLUE = plain(200, 0, 0), plain(0, 200, 0), plain(0, 0, 200)
