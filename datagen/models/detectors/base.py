"""Detectors: where in a picture is what a phrase names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.errors import ConfigError, DataError
from datagen.core.fields import Box
from datagen.core.options import PACE
from datagen.models.weights.config import PlacedConfig, WeightsConfig


class Detection(NamedTuple):
    """One thing that was found."""

    box: Box
    """On the picture, and not empty."""
    score: float
    """How sure the model is, 0 to 1, on a scale of its own."""
    label: str
    """The phrase that it was found by, as it was asked."""


class Detector(Protocol):
    """Boxes of what phrases name."""

    def __call__(self, images: list[NDArray[np.uint8]], phrases: list[Sequence[str]]) -> list[list[Detection]]:
        """HWC uint8 RGB pictures, each with at least one phrase of its own; all that was found, best first.

        Nothing is left out for its score, and one thing may be found more than once. Beyond rounding no answer
        depends on the rest of the batch, but it does on the other phrases of its picture. Raises `DataError` for a
        phrase without a word, or one that is too long.
        """
        ...


def best_first(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], labels: Sequence[str], *, size: tuple[int, int]
) -> list[Detection]:
    """Detections from N x 4 xyxy boxes in pixels, cut at the edges of a picture of (width, height).

    What lies wholly beyond them is left out. Raises `DataError` if a model gave no numbers.
    """
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise DataError("the model's boxes or scores are no finite numbers; with float16, try bfloat16 or float32")
    width, height = size
    clipped = np.clip(boxes, 0, (width, height, width, height)).tolist()
    order = np.argsort(-scores, kind="stable").tolist()
    found = [Detection((x0, y0, x1, y1), float(scores[n]), labels[n]) for n in order for x0, y0, x1, y1 in [clipped[n]]]
    return [one for one in found if one.box[0] < one.box[2] and one.box[1] < one.box[3]]


class GroundingDinoConfig(WeightsConfig):
    """Grounding DINO (arXiv:2303.05499) by transformers: finds what free phrases name."""

    kind: Literal["grounding_dino"] = "grounding_dino"
    license: ClassVar[str] = "Apache-2.0"

    weights: Annotated[str, PACE] = Field(default="IDEA-Research/grounding-dino-base", min_length=1)
    """A repository of the hub, or a folder as transformers saves it."""
    commit: str = "12bdfa3120f3e7ec7b434d90674b3396eccf88eb"
    """The commit that pins them; this one is the default's, others have none unless it is given."""

    def load(self, device: str) -> Detector:
        """The detector. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        from datagen.models.detectors.grounding_dino import GroundingDinoDetector

        return GroundingDinoDetector(self, device=device)


class TextFilesConfig(PlacedConfig):
    """The vocabulary and shape of a text encoder whose weights are elsewhere."""

    kind: Literal["text_files"] = "text_files"
    fetched: ClassVar[tuple[str, ...]] = ("*.json", "*.txt")

    weights: Annotated[str, PACE] = Field(default="google-bert/bert-base-uncased", min_length=1)
    """A repository of the hub, or a folder with config.json and the tokenizer's files."""


class OriginalGroundingDinoConfig(WeightsConfig):
    """Grounding DINO by its authors' package and `.pth` checkpoint; `precision` is that of autocast."""

    kind: Literal["groundingdino"] = "groundingdino"
    license: ClassVar[str] = "Apache-2.0"
    packages: ClassVar[tuple[str, ...]] = ("torch", "transformers", "groundingdino")
    extra: ClassVar[str] = "groundingdino"

    weights: Annotated[str, PACE] = Field(min_length=1)
    """The `.pth` file, or `owner/name:file` on the hub."""
    architecture: str = "swin_t"
    """`swin_t` or `swin_b`, as the package describes them, or a file of one's own in that form, which ends in .py.

    Such a file is Python, and is run.
    """
    text_encoder: TextFilesConfig = TextFilesConfig()
    """Where BERT's vocabulary and shape are; its weights are in the checkpoint."""
    short_side: int = Field(default=800, ge=32)
    """What a picture's shorter side is scaled to, in pixels; 800 as in the package's `load_image`."""
    long_side: int = Field(default=1333, ge=32)
    """What its longer side is at most, in pixels; 1333 likewise."""

    @pydantic.field_validator("architecture")
    @classmethod
    def _known(cls, architecture: str) -> str:
        if architecture not in ("swin_t", "swin_b") and not architecture.endswith(".py"):
            raise ValueError(f"'{architecture}' is neither swin_t nor swin_b, nor a file that ends in .py")
        if architecture.endswith(".py"):
            try:
                _digest(architecture)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return architecture

    @property
    def revision(self) -> str:
        """Also which architecture it is, without the folders of this machine, and what its file says."""
        says = f"@{_digest(self.architecture)}" if self.architecture.endswith(".py") else ""
        return f"{super().revision}:{Path(self.architecture).name}{says}"

    def load(self, device: str) -> Detector:
        """The detector. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        from datagen.models.detectors.original_grounding_dino import OriginalGroundingDino

        return OriginalGroundingDino(self, device=device)


def _digest(path: str) -> str:
    """Sixteen hex digits of a file's SHA-256. Raises `ConfigError`."""
    try:
        return hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ConfigError(f"`architecture`: {path} cannot be read: {error.strerror or error}") from error


class Sam3DetectorConfig(WeightsConfig):
    """SAM 3 (arXiv:2511.16719) by text: finds all that one short noun phrase names, phrase after phrase."""

    kind: Literal["sam3"] = "sam3"
    license: ClassVar[str] = "LicenseRef-SAM"

    weights: Annotated[str, PACE] = Field(default="facebook/sam3", min_length=1)
    """A repository of the hub, which asks for consent to its licence, or a folder as transformers saves it."""

    def load(self, device: str) -> Detector:
        """The detector. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        from datagen.models.detectors.sam3 import Sam3Detector

        return Sam3Detector(self, device=device)


DetectorConfig = Annotated[
    GroundingDinoConfig | OriginalGroundingDinoConfig | Sam3DetectorConfig, pydantic.Field(discriminator="kind")
]
"""Every kind of detector, told apart by `kind`."""
