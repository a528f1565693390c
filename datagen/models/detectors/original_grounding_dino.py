"""Grounding DINO by its authors' package `groundingdino`, adapted to transformers 5, which the package predates."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from datagen.core.errors import ConfigError
from datagen.core.options import PACE
from datagen.models.detectors.base import Detection, Detector
from datagen.models.detectors.grounding_words import (
    CaptionedImage,
    RawDetections,
    decode_boxes,
    detect_captions,
    pack_captions,
)
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig, WeightsSourceConfig
from datagen.models.weights.inference import inference_mode
from datagen.models.weights.packages import import_package
from datagen.models.weights.pretrained import load_errors_explained, load_tokenizer

if TYPE_CHECKING:
    import torch
    import transformers

    from datagen.models.detectors.grounding_dino_bert import GroundingDinoBert


class TextFilesConfig(WeightsSourceConfig):
    """The vocabulary and shape of a text encoder whose weights are elsewhere."""

    kind: Literal["text_files"] = "text_files"
    fetched: ClassVar[tuple[str, ...]] = ("*.json", "*.txt")

    weights: Annotated[str, PACE] = Field(default="google-bert/bert-base-uncased", min_length=1)
    """A repository of the hub, or a folder with config.json and the tokenizer's files."""


def _digest(path: str) -> str:
    """Sixteen hex digits of a file's SHA-256. Raises `ConfigError`."""
    try:
        return hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ConfigError(f"`architecture`: {path} cannot be read: {error.strerror or error}") from error


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
        """With the name of the architecture and, if it is a file, its hash; without the folders of this machine."""
        digest = f"@{_digest(self.architecture)}" if self.architecture.endswith(".py") else ""
        return f"{super().revision}:{Path(self.architecture).name}{digest}"

    def load(self, device: str) -> Detector:
        """The detector. Raises `SetupError` if packages, weights or device are missing."""
        self.check_packages()
        return OriginalGroundingDino(self, device=device)


_ARCHITECTURES = {"swin_t": "GroundingDINO_SwinT_OGC.py", "swin_b": "GroundingDINO_SwinB_cfg.py"}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""As in the package's `util.inference`, which cannot be imported here: it needs another OpenCV package."""


class OriginalGroundingDino:
    """The authors' Grounding DINO. Pictures of one size share a batch: padding would change what the model sees."""

    def __init__(self, config: OriginalGroundingDinoConfig, *, device: str) -> None:
        import torch
        import transformers

        self._dtype, self._device = config.prepare(device), device
        _part("models")
        with load_errors_explained(config.text_encoder, "config of BERT"):
            shape = transformers.BertConfig.from_pretrained(config.text_encoder.weights_path(), local_files_only=True)
        self._tokenizer = load_tokenizer(config.text_encoder, vocab_size=shape.vocab_size)
        with load_errors_explained(config, "checkpoint"):
            state = torch.load(config.weights_path(), map_location="cpu", weights_only=True)
            self._model = _build_model(config, tokenizer=self._tokenizer, shape=shape)
            _load_state(self._model, state.get("model", state))
        self._model.to(device).eval()
        transforms = _part("datasets.transforms")
        self._prepare = transforms.Compose(
            [
                transforms.RandomResize([config.short_side], max_size=config.long_side),
                transforms.ToTensor(),
                transforms.Normalize(_MEAN, _STD),
            ]
        )
        self._batches = Batches(config.batch_size)

    @inference_mode
    def __call__(self, images: list[NDArray[np.uint8]], phrases: list[Sequence[str]]) -> list[list[Detection]]:
        """See `Detector`; phrases that do not fit into one caption go into further ones, each with the picture anew."""
        texts = [pack_captions(one, tokenizer=self._tokenizer, limit=self._model.max_text_len) for one in phrases]
        return detect_captions(images, texts=texts, detect=self._detect, batches=self._batches)

    def _detect(self, batch: Sequence[CaptionedImage]) -> list[RawDetections]:
        import torch

        pixels_BCHW = torch.stack([self._prepare(Image.fromarray(image), None)[0] for image, _ in batch])
        texts = [caption.text for _, caption in batch]
        with torch.autocast(self._device, dtype=self._dtype, enabled=self._dtype is not torch.float32):
            out = self._model(pixels_BCHW.to(self._device), captions=texts)
        return [
            decode_boxes(
                caption,
                logits_QT=logits_QT,
                boxes_Q4=boxes_Q4,
                ids=self._tokenizer(caption.text)["input_ids"],
                tokenizer=self._tokenizer,
                size=(image.shape[1], image.shape[0]),
            )
            for (image, caption), logits_QT, boxes_Q4 in zip(batch, out["pred_logits"], out["pred_boxes"], strict=True)
        ]


def _part(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="timm")  # it imports a name that timm moved
        return import_package(f"groundingdino.{name}", extra="groundingdino")


def _build_model(config: OriginalGroundingDinoConfig, *, tokenizer: Any, shape: transformers.BertConfig) -> Any:
    """The model with random weights."""
    from datagen.models.detectors.grounding_dino_bert import GroundingDinoBert

    models = _part("models")
    file = _ARCHITECTURES.get(config.architecture)
    path = Path(_part("config").__path__[0]) / file if file else Path(config.architecture).expanduser()
    options = _part("util.slconfig").SLConfig.fromfile(str(path))  # runs the file: it is Python
    options.use_checkpoint = options.use_transformer_ckpt = False  # gradient checkpoints save memory only in training
    with _patched_text_encoder(tokenizer, GroundingDinoBert(shape)):
        return models.build_model(options)


@contextmanager
def _patched_text_encoder(tokenizer: Any, bert: GroundingDinoBert) -> Iterator[None]:
    """Make the package use this tokenizer and text encoder, instead of downloading and wrapping its own.

    Its wrapper of `BertModel` calls methods that transformers 5 removed. They applied one attention mask per token,
    which `BertModel` now accepts directly.
    """
    text: Any = _part("util.get_tokenlizer")
    model: Any = _part("models.GroundingDINO.groundingdino")
    originals = text.get_tokenlizer, text.get_pretrained_language_model, model.BertModelWarper
    text.get_tokenlizer, text.get_pretrained_language_model = lambda _: tokenizer, lambda _: bert
    model.BertModelWarper = _unwrapped
    try:
        yield
    finally:
        text.get_tokenlizer, text.get_pretrained_language_model, model.BertModelWarper = originals


def _unwrapped(*, bert_model: GroundingDinoBert) -> GroundingDinoBert:
    return bert_model


def _load_state(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load a checkpoint into the model. Raises `ValueError` if a weight is missing in it."""
    # A parallel trainer saves all names with the prefix `module.`.
    found = model.load_state_dict({name.removeprefix("module."): one for name, one in state.items()}, strict=False)
    learnt = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    if missing := [name for name in found.missing_keys if name in learnt]:
        raise ValueError(f"{len(missing)} of its weights are not there, such as {', '.join(missing[:3])}")
