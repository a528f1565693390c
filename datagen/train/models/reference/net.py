"""The model of the family `reference`: its batches, its losses, and edits by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor, nn
from torch.nn import functional

from datagen.core.errors import DataError
from datagen.core.fields import PLACEHOLDER
from datagen.imaging.image import Pixels
from datagen.train.data.examples import TrainingExample, check_references, name_of
from datagen.train.data.selection import SOURCE, Facts
from datagen.train.models.dropout import dropped
from datagen.train.models.pixels import pixels_of
from datagen.train.models.reference.options import ReferenceConfig
from datagen.train.models.reference.parts import new_pipeline
from datagen.train.models.reference.pipeline import InterleavedRow, row_of
from datagen.train.models.tokenizers import tokenizer_of

_TRAINED = ("transformer", "qformer", "fusion", "text_encoder")
_FROZEN = ("vae", "image_encoder")


class ReferenceModel(nn.Module):
    """The networks of a pipeline as one module."""

    def __init__(self, pipe: Any) -> None:
        super().__init__()
        self.pipe = pipe
        for name in (*_TRAINED, *_FROZEN):
            self.add_module(name, getattr(pipe, name))


def built(options: ReferenceConfig) -> ReferenceModel:
    """The networks, of which all but the image encoders and what the options freeze is trained."""
    pipe = new_pipeline(options)
    frozen = [*_FROZEN, *(["text_encoder"] if "language_model" in options.freeze else [])]
    for name in (*_TRAINED, *_FROZEN):
        getattr(pipe, name).requires_grad_(name not in frozen)
    return ReferenceModel(pipe).eval()


def too_long(options: ReferenceConfig, facts: Facts) -> str:
    """'too_many_tokens' if a sample's instruction and its pictures have more than the options allow."""
    instruction = facts.instruction or facts.text
    pictures = [0] * instruction.count(PLACEHOLDER)
    row = row_of(tokenizer_of(options.language_model), instruction, pictures, queries=options.qformer.queries)
    return "too_many_tokens" if len(row.tokens) > options.tokens else ""


def batch_of(options: ReferenceConfig, model: Any, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
    """Examples of one size as tensors.

    `source` and `target` B,3,H,W from -1 to 1; `has_source` B; `tokens`, `slots` and `mask` B,L; `semantic` and
    `detail` B,P,3,s,s, the pictures among the words as both image encoders see them; `pictures` B, how many of the P an
    example has. Raises `DataError` for an example with too many tokens or references, or other placeholders.
    """
    pipe = model.pipe
    shown = [_pictures(options, example) for example in examples]
    rows = [_row(pipe, example) for example in examples]
    tensors = [pipe.picture_tensors(pictures) for pictures in shown if pictures]
    most = max(map(len, shown))
    return {
        "source": pixels_of([example.source for example in examples]),
        "target": pixels_of([example.target for example in examples]),
        "has_source": torch.tensor([example.has_source for example in examples]),
        **pipe.rows(rows),
        "pictures": torch.tensor([*map(len, shown)]),
        "semantic": _beside(shown, [each["semantic"] for each in tensors], most),
        "detail": _beside(shown, [each["detail"] for each in tensors], most),
    }


def _pictures(options: ReferenceConfig, example: TrainingExample) -> list[Pixels]:
    """The pictures that placeholders stand for: the references, and the source if one stands for it."""
    check_references(example, most=options.most_references)
    return [*example.references, *([example.source] if SOURCE in example.inputs else [])]


def _row(pipe: Any, example: TrainingExample) -> InterleavedRow:
    bound = [number for number in example.inputs if number is not None]
    pictures = [len(example.references) if number == SOURCE else number for number in bound]
    try:
        row: InterleavedRow = pipe.row(example.instruction or example.text, pictures)
    except ValueError as error:
        raise DataError(f"{name_of(example)}: {error}") from error
    return row


def _beside(shown: Sequence[Sequence[Pixels]], tensors: Sequence[Tensor], most: int) -> Tensor:
    """Tensors n,3,s,s of the examples that have pictures as B,P,3,s,s, zeros where one has fewer."""
    made = torch.zeros(len(shown), most, *(tensors[0].shape[1:] if tensors else (3, 0, 0)))
    for row, tensor in zip((row for row, pictures in enumerate(shown) if pictures), tensors, strict=True):
        made[row, : len(tensor)] = tensor
    return made


def encoded_of(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the image encoders make of a batch.

    `latents` of the target and `source` B,C,h,w, zeros on a blank canvas; `semantic` B,P,T,D and `detail` B,P,C,h,w;
    `tokens`, `slots`, `mask` and `pictures` as they are.
    """
    pipe = model.pipe
    there = batch["has_source"].view(-1, 1, 1, 1)
    found = {name: batch[name] for name in ("tokens", "slots", "mask", "pictures")}
    found |= {"latents": pipe.latents(batch["target"]), "source": pipe.latents(batch["source"]) * there}
    shown = _present(batch)
    for name, value in pipe.seen(batch["semantic"][shown], batch["detail"][shown]).items() if shown.any() else ():
        found[name] = value.new_zeros(*shown.shape, *value.shape[1:])
        found[name][shown] = value
    return found


def _present(batch: Mapping[str, Tensor]) -> Tensor:
    """Which of the pictures there are: B,P."""
    number = batch["pictures"]
    most = int(number.max())
    return torch.arange(most, device=number.device) < number[:, None]


def losses_of(
    model: Any, encoded: Mapping[str, Tensor], generator: torch.Generator, *, drop: float
) -> tuple[Tensor, Tensor]:
    """The loss of each example and its time: B and B."""
    pipe, latents = model.pipe, encoded["latents"]
    count, device = len(latents), latents.device
    steps = pipe.scheduler.config.num_train_timesteps
    times = torch.randint(steps, (count,), generator=generator)
    noise = torch.randn(latents.shape, generator=generator).to(device)
    without_words, without_source = dropped(
        count, generator, device=device, drop_text=drop, drop_image=drop, drop_both=drop
    )
    signal = pipe.scheduler.alphas_cumprod[times].to(device).view(-1, 1, 1, 1)
    noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
    source = encoded["source"] * ~without_source.view(-1, 1, 1, 1)
    rows = _emptied(pipe, encoded, without_words)
    states = pipe.states(rows, _picture_tokens(pipe, encoded))
    found = pipe.noise_in(noisy, source, times.to(device), states, rows["mask"])
    losses = functional.mse_loss(found.float(), noise, reduction="none").mean(dim=(1, 2, 3))
    return losses, times.to(device) / (steps - 1)


def _emptied(pipe: Any, encoded: Mapping[str, Tensor], without_words: Tensor) -> dict[str, Tensor]:
    """The rows, those without words as the rows of an empty instruction."""
    nothing = pipe.rows([pipe.row("", ())])
    rows = {}
    for name, filler in (("tokens", pipe.tokenizer.pad_token_id), ("slots", -1), ("mask", 0)):
        empty = torch.full_like(encoded[name][:1], filler)
        empty[:, : nothing[name].shape[1]] = nothing[name].to(empty.device)
        rows[name] = torch.where(without_words[:, None], empty, encoded[name])
    return rows


def _picture_tokens(pipe: Any, encoded: Mapping[str, Tensor]) -> Tensor:
    """The tokens of each example's pictures in a row: B,P·Q,D."""
    shown = _present(encoded)
    if not shown.any():
        return torch.zeros(len(shown), 0, 0, device=shown.device)
    tokens = pipe.picture_tokens(encoded["semantic"][shown], encoded["detail"][shown])
    made = tokens.new_zeros(*shown.shape, *tokens.shape[1:])
    made[shown] = tokens
    flattened: Tensor = made.flatten(1, 2)
    return flattened


def edited(options: ReferenceConfig, pipe: Any, example: TrainingExample, *, seed: int) -> Pixels:
    """What a pipeline makes of an example: HWC uint8."""
    _pictures(options, example)
    _row(pipe, example)
    height, width = example.source.shape[:2]
    found = pipe(
        example.instruction or example.text,
        Pillow.fromarray(example.source) if example.has_source else None,
        [Pillow.fromarray(picture) for picture in example.references],
        inputs=[number for number in example.inputs if number is not None],
        height=height,
        width=width,
        num_inference_steps=options.sampling_steps,
        guidance_scale=options.guidance,
        image_guidance_scale=options.source_guidance,
        generator=torch.Generator().manual_seed(seed),
    )
    return np.asarray(found.images[0])
