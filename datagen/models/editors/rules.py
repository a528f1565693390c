"""Editing by rules: a few edits of the whole picture whose instructions have one exact meaning."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.models.base import ModelConfig
from datagen.models.editors.base import Editor
from datagen.models.generated import Declined, Generated


class RulesEditorConfig(ModelConfig):
    """A few edits of the whole picture that words say exactly: brightness, contrast, saturation, grey, sepia, negative,
    blur, sharpness, mirroring. Every other instruction is declined as `not_understood`.
    """

    kind: Literal["rules"] = "rules"
    strength: float = Field(default=0.4, gt=0, le=1)
    """By how much brightness, contrast and saturation change, as a share; likewise blur and sharpness."""

    def load(self, device: str) -> Editor:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        return RulesEditor(strength=self.strength)


Floats = NDArray[np.float32]
Edit = Callable[[Floats, float], Floats]
"""Takes pixels, HWC RGB from 0 to 255, and a strength from 0 to 1; returns the edited pixels, not yet clipped."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32)


class RulesEditor:
    """Applies the rule that matches the whole instruction, and declines instructions that no rule matches."""

    def __init__(self, *, strength: float) -> None:
        self.strength = strength

    def __call__(
        self,
        images: list[NDArray[np.uint8]],
        instructions: list[str],
        *,
        seeds: list[int],  # noqa: ARG002 - nothing is drawn
    ) -> list[Generated]:
        """See `Editor`."""
        return [self._edit(image, instruction) for image, instruction in zip(images, instructions, strict=True)]

    def _edit(self, image_HWC: NDArray[np.uint8], instruction: str) -> Generated:
        edit = parse_instruction(instruction)
        if edit is None:
            return Declined("not_understood", f"no rule says what this asks for: {instruction:.200}")
        edited_HWC = edit(image_HWC.astype(np.float32), self.strength)
        return edited_HWC.round().clip(0, 255).astype(np.uint8)


def parse_instruction(instruction: str) -> Edit | None:
    """The edit that an instruction asks for; None unless a rule covers every word of it."""
    words = " ".join(re.sub(r"[^\w\s]", " ", instruction.lower()).split()).removeprefix("please ")
    return next((edit for pattern, edit in _RULES if pattern.fullmatch(words)), None)


def _brightness(factor: int) -> Edit:
    return lambda image_HWC, strength: image_HWC * np.float32(1 + factor * strength)


def _contrast(factor: int) -> Edit:
    def edit(image_HWC: Floats, strength: float) -> Floats:
        mean = (image_HWC @ _LUMA).mean(dtype=np.float64)
        return np.asarray(mean + (image_HWC - mean) * (1 + factor * strength), np.float32)

    return edit


def _saturation(factor: int) -> Edit:
    def edit(image_HWC: Floats, strength: float) -> Floats:
        grey_HWC = _grey(image_HWC, strength)
        return grey_HWC + (image_HWC - grey_HWC) * np.float32(1 + factor * strength)

    return edit


def _grey(image_HWC: Floats, strength: float) -> Floats:  # noqa: ARG001 - grey is grey
    return np.repeat((image_HWC @ _LUMA)[..., None], 3, axis=2)


def _blur(image_HWC: Floats, strength: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image_HWC, (0, 0), max(image_HWC.shape[:2]) * strength / 64 + 0.5), np.float32)


def _sharpen(image_HWC: Floats, strength: float) -> Floats:
    soft_HWC = np.asarray(cv2.GaussianBlur(image_HWC, (0, 0), 1.5), np.float32)
    return image_HWC + (image_HWC - soft_HWC) * np.float32(2 * strength)


_IT = r"(?:it|(?:the|this) (?:whole |entire )?(?:image|photo|photograph|picture))"
_OF = rf"(?: (?:of|in) {_IT})?"
_MORE, _LESS = "(?:increase|raise|boost)", "(?:decrease|lower|reduce)"
_RULES: tuple[tuple[re.Pattern[str], Edit], ...] = tuple(
    (re.compile(pattern), edit)
    for pattern, edit in (
        (rf"(?:brighten|lighten) {_IT}|make {_IT} brighter|{_MORE} the brightness{_OF}", _brightness(1)),
        (rf"darken {_IT}|make {_IT} darker|{_LESS} the brightness{_OF}", _brightness(-1)),
        (rf"{_MORE} the contrast{_OF}", _contrast(1)),
        (rf"{_LESS} the contrast{_OF}", _contrast(-1)),
        (rf"{_MORE} the saturation{_OF}|make {_IT} more colou?rful", _saturation(1)),
        (rf"{_LESS} the saturation{_OF}|make {_IT} less colou?rful", _saturation(-1)),
        (rf"(?:make|turn|convert) {_IT} (?:in ?to |to )?(?:black and white|gr[ae]y ?scale|monochrome)", _grey),
        (
            rf"(?:make|turn|convert) {_IT} (?:in ?to |to )?sepia|"
            rf"(?:have|make|let) {_IT} look like an? (?:old )?sepia (?:image|photo|photograph|picture)",
            lambda image_HWC, _: image_HWC @ _SEPIA.T,
        ),
        (
            rf"(?:make|turn) {_IT} (?:in ?to )?a negative|invert (?:the colou?rs{_OF}|{_IT})",
            lambda image, _: 255 - image,
        ),
        (rf"(?:flip|mirror) {_IT}(?: horizontally)?", lambda image_HWC, _: image_HWC[:, ::-1]),
        (rf"(?:flip|mirror) {_IT} vertically|turn {_IT} upside down", lambda image_HWC, _: image_HWC[::-1]),
        (rf"blur {_IT}|make {_IT} (?:blurry|blurred)", _blur),
        (rf"sharpen {_IT}|make {_IT} sharper", _sharpen),
    )
)
"""The rules: a pattern of all wordings of an edit, and the edit."""
