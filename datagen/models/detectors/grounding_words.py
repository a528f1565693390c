"""How Grounding DINO is told phrases, and what its answers say of them; by whichever package it runs.

It reads `a cat. a dog.` in lower case, at most so many tokens, and scores each
box against each token. Its authors call a box by the tokens above a second
threshold, which may be parts of several phrases; here its label is the one
phrase that holds its best token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError
from datagen.models.detectors.base import Detection, best_first
from datagen.models.weights.batches import Batches

if TYPE_CHECKING:
    import torch

_SIGNS = re.compile(r"[.?\[\]]")
"""Full stops and question marks part phrases, brackets make special tokens: none of them may stand in one."""
_STOPS = (".", "?", "[SEP]", "[PAD]")


class Caption(NamedTuple):
    """Phrases of one picture that fit into one text."""

    text: str
    phrases: tuple[str, ...]
    """As they were asked, in the order of the text."""


def pack_captions(phrases: Sequence[str], *, tokenizer: Any, limit: int) -> list[Caption]:
    """The texts that a picture's phrases fill, of at most `limit` tokens each. Raises `DataError`."""
    said = {words: phrase for phrase in reversed(phrases) for words in [_words(phrase)]}
    parts: list[list[str]] = [[]]
    room = limit - 2
    for words in dict.fromkeys(map(_words, phrases)):
        tokens = len(tokenizer(f"{words}.", add_special_tokens=False)["input_ids"])
        if tokens > limit - 2:
            raise DataError(f"the phrase '{words:.60}' has {tokens} tokens, more than the {limit - 2} that fit")
        if tokens > room:
            parts.append([])
            room = limit - 2
        parts[-1].append(words)
        room -= tokens
    return [Caption(f"{'. '.join(part)}.", tuple(said[words] for words in part)) for part in parts]


def _words(phrase: str) -> str:
    words = " ".join(_SIGNS.sub(" ", phrase.lower()).split())
    if not words:
        raise DataError(f"there is no word in the phrase to look for, '{phrase:.60}'")
    return words


class RawDetections(NamedTuple):
    """What one text found in one picture."""

    boxes: NDArray[np.float64]
    """N x 4, xyxy in pixels."""
    scores: NDArray[np.float64]
    labels: list[str]


def decode_boxes(
    caption: Caption,
    *,
    logits_QT: torch.Tensor,
    boxes_Q4: torch.Tensor,
    ids: Sequence[int],
    tokenizer: Any,
    size: tuple[int, int],
) -> RawDetections:
    """The answers of Q queries about the T tokens of a text.

    `boxes_Q4` are centre, width and height as shares of a picture of (width, height); a box's score is that of its
    best token, as its authors have it.
    """
    import torch

    probs_QT = logits_QT.double().sigmoid()
    phrase_T = torch.tensor(_phrase_of(ids, tokenizer), device=probs_QT.device)
    owned_QT = torch.where(phrase_T >= 0, probs_QT[:, : len(ids)], -1.0)
    labels = [caption.phrases[number] for number in phrase_T[owned_QT.argmax(dim=1)].tolist()]
    centre, half = boxes_Q4.double()[:, :2], boxes_Q4.double()[:, 2:] / 2
    scale = torch.tensor(size, dtype=torch.float64, device=centre.device)
    boxes = torch.cat([(centre - half) * scale, (centre + half) * scale], dim=1)
    return RawDetections(boxes.cpu().numpy(), probs_QT.amax(dim=1).cpu().numpy(), labels)


def _phrase_of(ids: Sequence[int], tokenizer: Any) -> list[int]:
    """Which phrase each token belongs to, by its place; -1 for what stands between phrases."""
    stops = set(tokenizer.convert_tokens_to_ids(list(_STOPS)))
    owners, number = [-1], 0
    for id in ids[1:]:
        owners.append(-1 if id in stops else number)
        number += id in stops
    return owners


CaptionedImage = tuple[NDArray[np.uint8], Caption]
"""A picture, HWC uint8 RGB, and one of its texts."""


def detect_captions(
    images: Sequence[NDArray[np.uint8]],
    *,
    texts: Sequence[Sequence[Caption]],
    detect: Callable[[Sequence[CaptionedImage]], Sequence[RawDetections]],
    batches: Batches,
) -> list[list[Detection]]:
    """What all texts of each picture find, best first; `detect` is given pictures of one size."""
    asked = [(image, text) for image, some in zip(images, texts, strict=True) for text in some]
    found = iter(batches.map_grouped(asked, detect, key=lambda one: one[0].shape))
    return [
        _merge([next(found) for _ in some], size=(image.shape[1], image.shape[0]))
        for image, some in zip(images, texts, strict=True)
    ]


def _merge(found: Sequence[RawDetections], *, size: tuple[int, int]) -> list[Detection]:
    """What all texts of a picture of (width, height) found, best first."""
    boxes = np.concatenate([one.boxes for one in found])
    scores = np.concatenate([one.scores for one in found])
    return best_first(boxes, scores, [label for one in found for label in one.labels], size=size)
