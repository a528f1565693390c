"""An instruction as FLUX.2 Klein reads it: pictures are spoken of as "image 1", "image 2" and so on."""

from __future__ import annotations

from datagen.core.fields import PLACEHOLDER
from datagen.train.data.selection import SOURCE


def numbered(instruction: str, inputs: tuple[int | None, ...], *, has_source: bool) -> str:
    """An instruction with "image N" in place of each placeholder; the source is image 1, then come the references.

    A placeholder for a picture that the model is not shown becomes "the image".
    """
    first, *others = instruction.split(PLACEHOLDER)
    named = [_name(number, has_source=has_source) for number in inputs]
    return first + "".join(name + text for name, text in zip(named, others, strict=False))


def _name(number: int | None, *, has_source: bool) -> str:
    if number is None or (number == SOURCE and not has_source):
        return "the image"
    return f"image {1 if number == SOURCE else number + 1 + has_source}"
