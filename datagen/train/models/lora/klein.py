"""What diffusers' `Flux2KleinPipeline` does with pictures and words, for a trainer.

Its helpers are private, so that a new diffusers may change them without notice. They are used here and nowhere else;
tests hold their signatures, and what comes of them against the pipeline's own call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import Flux2KleinPipeline
from torch import Tensor

PRIVATE = {
    "_encode_vae_image": ("self", "image", "generator"),
    "_pack_latents": ("latents",),
    "_prepare_image_ids": ("image_latents", "scale"),
    "_prepare_latent_ids": ("latents",),
    "_prepare_text_ids": ("x", "t_coord"),
}
"""The helpers that are used, and their arguments."""

_pipeline: Any = Flux2KleinPipeline


def latents_of(pipe: Any, pictures: Tensor) -> Tensor:
    """Pictures B,3,H,W from -1 to 1 as normalised latents B,C,H/16,W/16; the mode, nothing is drawn."""
    encoded: Tensor = pipe._encode_vae_image(pictures.to(pipe.vae.dtype), generator=None)
    return encoded


def packed(latents: Tensor) -> Tensor:
    """Latents B,C,h,w as a row of tokens: B,h·w,C."""
    found: Tensor = _pipeline._pack_latents(latents)
    return found


def target_ids(latents: Tensor) -> Tensor:
    """Coordinates of the tokens of latents B,C,h,w that are drawn: B,h·w,4."""
    found: Tensor = _pipeline._prepare_latent_ids(latents)
    return found


def condition_ids(latents: Sequence[Tensor]) -> Tensor:
    """Coordinates of the tokens of pictures that are looked at, each of its own size, 1,C,h,w: N,4.

    Each picture has a first coordinate of its own.
    """
    found: Tensor = _pipeline._prepare_image_ids([*latents])
    return found[0]


def text_ids(states: Tensor) -> Tensor:
    """Coordinates of words whose states are B,L,D: B,L,4."""
    found: Tensor = _pipeline._prepare_text_ids(states)
    return found


def chat_tokens(tokenizer: Any, prompt: str) -> list[int]:
    """The tokens of a prompt as the only message of a chat, uncut."""
    framed = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    found: list[int] = tokenizer(framed, verbose=False)["input_ids"]
    return found


def text_states(text_encoder: Any, tokens: Tensor, mask: Tensor, *, layers: Sequence[int]) -> Tensor:
    """The states of words at several layers side by side; tokens and mask are B,L: B,L,D."""
    found = text_encoder(input_ids=tokens, attention_mask=mask, output_hidden_states=True, use_cache=False)
    return torch.cat([found.hidden_states[layer] for layer in layers], dim=-1)
