"""Captions for Grounding DINO from phrases, and detections from its outputs; shared by both of its packages.

Grounding DINO reads a caption such as `a cat. a dog.`, in lower case and of limited length, and scores each box against
each token of it. Its authors label a box by all tokens above a second threshold, which may belong to several phrases.
Here the label of a box is the one phrase that has its best token.
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
"""Not allowed in a phrase: full stops and question marks separate phrases, brackets write special tokens."""
_STOPS = (".", "?", "[SEP]", "[PAD]")
"""Tokens that end a phrase."""
_ENDS = 2
"""Tokens that the tokenizer adds to a caption: [CLS] and [SEP]."""


class Caption(NamedTuple):
    """Phrases of one picture that fit into one text for the model."""

    text: str
    phrases: tuple[str, ...]
    """Spelt as in the call, in the order of the text."""


def pack_captions(phrases: Sequence[str], *, tokenizer: Any, limit: int) -> list[Caption]:
    """A picture's phrases in as few captions as their order allows, each of at most `limit` tokens.

    Raises `DataError` for a phrase that has no word or more tokens than fit.
    """
    # Phrases may become equal in lower case and without signs: the first spelling is the one reported.
    spelling = {words: phrase for phrase in reversed(phrases) for words in [_normalize(phrase)]}
    parts: list[list[str]] = [[]]
    room = limit - _ENDS
    for words in dict.fromkeys(map(_normalize, phrases)):
        tokens = len(tokenizer(f"{words}.", add_special_tokens=False)["input_ids"])
        if tokens > limit - _ENDS:
            raise DataError(f"the phrase '{words:.60}' has {tokens} tokens, more than the {limit - _ENDS} that fit")
        if tokens > room:
            parts.append([])
            room = limit - _ENDS
        parts[-1].append(words)
        room -= tokens
    return [Caption(f"{'. '.join(part)}.", tuple(spelling[words] for words in part)) for part in parts]


def _normalize(phrase: str) -> str:
    words = " ".join(_SIGNS.sub(" ", phrase.lower()).split())
    if not words:
        raise DataError(f"there is no word in the phrase to look for, '{phrase:.60}'")
    return words


class RawDetections(NamedTuple):
    """All boxes for one caption and picture, unsorted."""

    boxes: NDArray[np.float64]
    """N x 4, xyxy in pixels, not yet clipped to the picture."""
    scores: NDArray[np.float64]
    """N, 0 to 1."""
    labels: list[str]
    """N phrases."""


def decode_boxes(
    caption: Caption,
    *,
    logits_QT: torch.Tensor,
    boxes_Q4: torch.Tensor,
    ids: Sequence[int],
    tokenizer: Any,
    size: tuple[int, int],
) -> RawDetections:
    """Boxes, scores and labels from the model's outputs for Q queries and the T tokens of a caption.

    `boxes_Q4` are centre, width and height in shares of a picture of `size` (width, height). `ids` are the caption's
    tokens. A box's score is that of its best token, as in the authors' code.
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
    """For each token the number of its phrase; -1 for tokens between phrases."""
    stops = set(tokenizer.convert_tokens_to_ids(list(_STOPS)))
    owners, number = [-1], 0
    for id in ids[1:]:
        owners.append(-1 if id in stops else number)
        number += id in stops
    return owners


CaptionedImage = tuple[NDArray[np.uint8], Caption]
"""A picture, HWC uint8 RGB, and one of its captions."""


def detect_captions(
    images: Sequence[NDArray[np.uint8]],
    *,
    texts: Sequence[Sequence[Caption]],
    detect: Callable[[Sequence[CaptionedImage]], Sequence[RawDetections]],
    batches: Batches,
) -> list[list[Detection]]:
    """The detections of all captions of each picture, best first.

    `texts` are the captions of each picture. `detect` gets batches of pictures of one size.
    """
    pairs = [(image, text) for image, some in zip(images, texts, strict=True) for text in some]
    found = iter(batches.map_grouped(pairs, detect, key=lambda pair: pair[0].shape))
    return [
        _merge([next(found) for _ in some], size=(image.shape[1], image.shape[0]))
        for image, some in zip(images, texts, strict=True)
    ]


def _merge(found: Sequence[RawDetections], *, size: tuple[int, int]) -> list[Detection]:
    """The detections of all captions of one picture of `size` (width, height), best first."""
    boxes = np.concatenate([one.boxes for one in found])
    scores = np.concatenate([one.scores for one in found])
    return best_first(boxes, scores, [label for one in found for label in one.labels], size=size)
