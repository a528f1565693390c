"""How many tokens a sample costs in BAGEL, whose reader skips samples above a limit without a word.

A picture costs a token for each 16 pixels squared in the VAE and for each 14 pixels squared in the vision transformer,
after resizing to the sizes of the trainer's published config, and two tokens that enclose it. A picture that the model
paints is counted once more where a later one is painted from it. Text costs an estimate from above: no tokenizer is
needed, and a sample that is near the limit is rather left out here, with a reason, than skipped there without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from datagen.export.lessons import PictureUse, Piece, TextPiece
from datagen.imaging.image import size_of

_ENCLOSING = 2
_MAX_PIXELS = 14 * 14 * 9 * 1024
_TEXT = re.compile(r" ?([A-Za-z]+)| ?([^\x00-\x7f]+)| ?([^A-Za-z\s])|(\s)")
"""Parts of a text, each with at most one blank before it, which costs nothing."""
_LETTERS = 3
"""ASCII letters of a word for each token; English words have fewer tokens."""


class Resizing(NamedTuple):
    """How a picture is resized before it is cut into tokens."""

    stride: int
    """Pixels along an edge of a token."""
    shortest: int
    longest: int


class PictureSizes(NamedTuple):
    """A trainer's published sizes."""

    vae: Resizing
    vit: Resizing


def count_tokens(pieces: Iterable[Piece], pictures: Mapping[str, bytes], *, sizes: PictureSizes) -> int:
    """Tokens of a sample: exact for its pictures if the trainer's sizes are `sizes`, else an estimate.

    `pictures` has the file of each member. Raises `DataError` if one is no picture.
    """
    found = {name: size_of(data) for name, data in pictures.items()}
    return sum(
        _text_tokens(piece.text) if isinstance(piece, TextPiece) else _picture_tokens(piece, found[piece.member], sizes)
        for piece in pieces
    )


def _picture_tokens(use: PictureUse, size: tuple[int, int], sizes: PictureSizes) -> int:
    latents = (use.is_learnt + use.is_painted_from) * (_grid(size, sizes.vae) + _ENCLOSING)
    return latents + use.is_understood * (_grid(size, sizes.vit) + _ENCLOSING)


def _grid(size: tuple[int, int], sizes: Resizing) -> int:
    """Tokens of a picture of this width and height, without those that enclose it."""
    scale = max(min(sizes.longest / max(size), 1.0), sizes.shortest / min(size))
    width, height = _on_stride(size, scale, sizes.stride)
    if width * height > _MAX_PIXELS:
        width, height = _on_stride((width, height), _MAX_PIXELS / (width * height), sizes.stride)
    if max(width, height) > sizes.longest:
        width, height = _on_stride((width, height), sizes.longest / max(width, height), sizes.stride)
    return (width // sizes.stride) * (height // sizes.stride)


def _on_stride(size: tuple[int, int], scale: float, stride: int) -> tuple[int, int]:
    width, height = (max(stride, round(round(side * scale) / stride) * stride) for side in size)
    return width, height


def _text_tokens(text: str) -> int:
    """An upper estimate of the tokens of a text in a byte-level tokenizer of English, with those that enclose it.

    A run of ASCII letters costs a token for three letters, another ASCII character one, all else one for each byte. A
    blank costs nothing where it begins a word.
    """
    return _ENCLOSING + sum(_part_tokens("".join(part)) for part in _TEXT.findall(text))


def _part_tokens(part: str) -> int:
    return -(-len(part) // _LETTERS) if part.isascii() and part.isalpha() else len(part.encode())
