"""Grounding DINO by its authors' package, on a transformers that is younger than it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image

from datagen.models.detectors.base import Detection, OriginalGroundingDinoConfig
from datagen.models.detectors.grounding_words import Asked, Found, captions, detections, found_by
from datagen.models.weights.batches import Batches
from datagen.models.weights.packages import package
from datagen.models.weights.pretrained import loading, tokenizer

_ARCHITECTURES = {"swin_t": "GroundingDINO_SwinT_OGC.py", "swin_b": "GroundingDINO_SwinB_cfg.py"}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""As in the package's `util.inference`, which itself needs another OpenCV."""


class OriginalGroundingDino:
    """Pictures of one size share a batch, so that none is padded."""

    def __init__(self, config: OriginalGroundingDinoConfig, *, device: str) -> None:
        self._dtype, self._device = config.ready(device), device
        _part("models")
        with loading(config.text_encoder, "config of BERT"):
            shape = transformers.BertConfig.from_pretrained(config.text_encoder.place(), local_files_only=True)
        self._tokenizer = tokenizer(config.text_encoder, words=shape.vocab_size)
        with loading(config, "checkpoint"):
            state = torch.load(config.place(), map_location="cpu", weights_only=True)
            self._model = _built(config, words=self._tokenizer, shape=shape)
            _fill(self._model, state.get("model", state))
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

    @torch.inference_mode()
    def __call__(self, images: list[NDArray[np.uint8]], phrases: list[Sequence[str]]) -> list[list[Detection]]:
        """See `Detector`; phrases that do not fit into one text are looked for in turn."""
        texts = [captions(one, tokenizer=self._tokenizer, limit=self._model.max_text_len) for one in phrases]
        return detections(images, texts=texts, detect=self._detect, batches=self._batches)

    def _detect(self, asked: Sequence[Asked]) -> list[Found]:
        pixels_BCHW = torch.stack([self._prepare(Image.fromarray(image), None)[0] for image, _ in asked])
        texts = [text.text for _, text in asked]
        with torch.autocast(self._device, dtype=self._dtype, enabled=self._dtype is not torch.float32):
            out = self._model(pixels_BCHW.to(self._device), captions=texts)
        return [
            found_by(
                text,
                logits_QT=logits_QT,
                boxes_Q4=boxes_Q4,
                ids=self._tokenizer(text.text)["input_ids"],
                tokenizer=self._tokenizer,
                size=(image.shape[1], image.shape[0]),
            )
            for (image, text), logits_QT, boxes_Q4 in zip(asked, out["pred_logits"], out["pred_boxes"], strict=True)
        ]


def _part(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="timm")  # it imports a name that timm moved
        return package(f"groundingdino.{name}", extra="groundingdino")


def _built(config: OriginalGroundingDinoConfig, *, words: Any, shape: transformers.BertConfig) -> Any:
    """The model, its weights not yet read."""
    models = _part("models")
    file = _ARCHITECTURES.get(config.architecture)
    path = Path(_part("config").__path__[0]) / file if file else Path(config.architecture).expanduser()
    options = _part("util.slconfig").SLConfig.fromfile(str(path))
    options.use_checkpoint = options.use_transformer_ckpt = False  # they spare memory in training alone
    with _young_bert(words, _Bert(shape)):
        return models.build_model(options)


@contextmanager
def _young_bert(words: Any, bert: _Bert) -> Iterator[None]:
    """Give the package a tokenizer and text encoder, where it would fetch them and wrap the encoder.

    Its wrapper of `BertModel` calls methods that transformers 5 has no more. They gave every token a mask of its
    own, which `BertModel` takes by itself now.
    """
    text: Any = _part("util.get_tokenlizer")
    model: Any = _part("models.GroundingDINO.groundingdino")
    kept = text.get_tokenlizer, text.get_pretrained_language_model, model.BertModelWarper
    text.get_tokenlizer, text.get_pretrained_language_model = lambda _: words, lambda _: bert
    model.BertModelWarper = _unwrapped
    try:
        yield
    finally:
        text.get_tokenlizer, text.get_pretrained_language_model, model.BertModelWarper = kept


class _Bert(transformers.BertModel):  # type: ignore[no-untyped-call]
    def forward(self, *, attention_mask: torch.Tensor, **inputs: Any) -> Any:
        """As the package calls it, with a mask of batch x tokens x tokens; transformers wants one for all heads."""
        return super().forward(attention_mask=attention_mask[:, None], **inputs)


def _unwrapped(*, bert_model: _Bert) -> _Bert:
    return bert_model


def _fill(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Read a checkpoint, which may have been saved by a parallel trainer. Raises `ValueError` where it lacks some."""
    found = model.load_state_dict({name.removeprefix("module."): one for name, one in state.items()}, strict=False)
    learnt = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    if lacking := [name for name in found.missing_keys if name in learnt]:
        raise ValueError(f"{len(lacking)} of its weights are not there, such as {', '.join(lacking[:3])}")
