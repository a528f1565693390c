"""The mathematics of InstructPix2Pix (arXiv:2211.09800, section 3.2) on the latents of a Stable Diffusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from datagen.imaging.image import Pixels
from datagen.train.data.examples import TrainingExample
from datagen.train.models.dropout import dropped
from datagen.train.models.latents import check_tokens, mode
from datagen.train.models.pixels import pixels_of


def batch_of(model: Any, examples: Sequence[TrainingExample], words: Sequence[str]) -> dict[str, Tensor]:
    """Examples of one size as tensors."""
    return {
        "source": pixels_of([example.source for example in examples]),
        "target": pixels_of([example.target for example in examples]),
        "tokens": model.tokens(words),
    }


def encoded_of(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the frozen parts make of a batch: the source's latents are the most likely ones, and are not scaled."""
    return {
        "moments": model.moments(batch["target"]),
        "source": mode(model.moments(batch["source"])),
        "text": model.text_states(batch["tokens"]),
    }


def losses_of(
    model: Any,
    encoded: Mapping[str, Tensor],
    generator: torch.Generator,
    **drops: float,
) -> tuple[Tensor, Tensor]:
    """The loss of each example, and the time, 0 to 1, at which it was taken: B and B."""
    latents = model.sampled(encoded["moments"], generator)
    noisy, steps, goal = model.noised(latents, generator)
    without_text, without_source = dropped(len(latents), generator, device=latents.device, **drops)
    text = torch.where(without_text.view(-1, 1, 1), model.no_text.to(encoded["text"].dtype), encoded["text"])
    source = encoded["source"].float() * ~without_source.view(-1, 1, 1, 1)
    found = model.unet(torch.cat([noisy, source], dim=1), steps, encoder_hidden_states=text).sample
    losses = functional.mse_loss(found.float(), goal, reduction="none").mean(dim=(1, 2, 3))
    return losses, model.share_of_time(steps)


def edited(pipeline: Any, example: TrainingExample, words: str, *, seed: int, **options: Any) -> Pixels:
    """What a pipeline makes of an example's source: HWC uint8. `options` are those of its call."""
    check_tokens(pipeline.tokenizer, words)
    generator = torch.Generator().manual_seed(seed)
    picture = pipeline(words, image=Pillow.fromarray(example.source), generator=generator, **options).images[0]
    return np.asarray(picture.convert("RGB"))
