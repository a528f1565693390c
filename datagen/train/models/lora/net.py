"""A LoRA on FLUX.2 Klein, trained by flow matching.

The picture that is made and those that are looked at are one row of tokens. Each picture has a coordinate of its own,
as in the pipeline: 0 is what is made, 10 the source, 20 and so on the references. Noise and target are mixed in a line,
and the transformer predicts the way from the target to the noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import peft
import torch
from diffusers import Flux2KleinPipeline
from diffusers.training_utils import cast_training_params
from peft.utils import get_peft_model_state_dict
from PIL import Image as Pillow
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from datagen.core.errors import ConfigError, DataError, SetupError, nearest
from datagen.core.fields import PLACEHOLDER
from datagen.imaging.geometry import fit_size
from datagen.imaging.image import Pixels
from datagen.models.diffusion.loading import load_pipeline
from datagen.train.data.examples import TrainingExample, check_references, name_of
from datagen.train.data.framing import padded
from datagen.train.data.selection import Facts
from datagen.train.models.lora import klein
from datagen.train.models.lora.options import LEAST_SIDE, MOST_RATIO, MULTIPLE, LoraConfig
from datagen.train.models.lora.prompts import numbered
from datagen.train.models.pixels import pixels_of
from datagen.train.models.tokenizers import tokenizer_of

ADAPTER = "default"


class KleinLora(nn.Module):
    """A pipeline's networks as one module, of which only the LoRA is trained."""

    def __init__(self, pipe: Any) -> None:
        super().__init__()
        self.pipe = pipe
        self.transformer = pipe.transformer
        self.vae = pipe.vae
        self.text_encoder = pipe.text_encoder


def built(options: LoraConfig) -> KleinLora:
    """FLUX.2 Klein with new small weights. Raises `SetupError`, or `ConfigError` for layers that it does not have."""
    pipe = _base(options)
    for part in (pipe.transformer, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False)
    adapter = peft.LoraConfig(
        r=options.lora.rank,
        lora_alpha=options.lora.alpha,
        lora_dropout=options.lora.dropout,
        target_modules=_layers(pipe.transformer, options.lora.targets),
        init_lora_weights="gaussian",
    )
    pipe.transformer.add_adapter(adapter, adapter_name=ADAPTER)
    cast_training_params(pipe.transformer, torch.float32)
    return KleinLora(pipe)


def _base(options: LoraConfig) -> Any:
    base = options.base
    pipe = load_pipeline(base.as_pipeline(), "cpu")
    if not isinstance(pipe, Flux2KleinPipeline):
        kind = type(pipe).__name__
        raise SetupError(f"model.base: {base.weights} is a {kind}; the family 'lora' trains a Flux2KleinPipeline")
    has = pipe.text_encoder.config.num_hidden_layers
    if wrong := [layer for layer in options.text_layers if not 0 <= layer <= has]:
        raise ConfigError(f"model.text_layers: {wrong[0]} is none of the {has} layers of {base.weights}'s text encoder")
    wanted = pipe.transformer.config.joint_attention_dim
    found = pipe.text_encoder.config.hidden_size * len(options.text_layers)
    if found != wanted:
        raise ConfigError(
            f"model.text_layers: {len(options.text_layers)} layers of {base.weights}'s text encoder have {found} "
            f"channels, its transformer reads {wanted}"
        )
    return pipe


def _layers(transformer: Any, targets: Sequence[str]) -> list[str]:
    """The names of the linear layers that end in one of `targets`."""
    linear = [name for name, part in transformer.named_modules() if isinstance(part, nn.Linear)]
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in linear):
            known = nearest(target, {name.rpartition(".")[2] for name in linear})
            raise ConfigError(f"model.lora.targets: no linear layer of the transformer ends in '{target}'; {known}")
    return [name for name in linear if any(f".{name}".endswith(f".{target}") for target in targets)]


def too_long(options: LoraConfig, facts: Facts) -> str:
    """'too_many_tokens' if a sample's prompt has more than the options allow."""
    prompt = _prompt(options, facts.instruction, facts.text, facts.inputs, has_source=facts.has_source)
    return "too_many_tokens" if len(klein.chat_tokens(tokenizer_of(options.base), prompt)) > options.tokens else ""


def prompt_of(options: LoraConfig, example: TrainingExample) -> str:
    """The words that the model reads."""
    return _prompt(options, example.instruction, example.text, example.inputs, has_source=example.has_source)


def _prompt(
    options: LoraConfig, instruction: str, text: str, inputs: tuple[int | None, ...], *, has_source: bool
) -> str:
    use_text = options.prompt == "text" or not instruction
    chosen = text if use_text and text else instruction
    return numbered(chosen, inputs, has_source=has_source) if PLACEHOLDER in chosen else chosen


def batch_of(options: LoraConfig, model: Any, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
    """Examples of one size as tensors.

    `source` and `target` B,3,H,W from -1 to 1; `has_source` B; `references` B,R,3,h,w, each in the upper left corner;
    `reference_sizes` B,R,2, height and width, 0 where there is none; `tokens` and `mask` B,L.
    Raises `DataError` for an example with too many tokens or references.
    """
    tokens, mask = _tokens(options, model.pipe.tokenizer, examples)
    references, sizes = _references(options, examples)
    return {
        "source": pixels_of([example.source for example in examples]),
        "target": pixels_of([example.target for example in examples]),
        "has_source": torch.tensor([example.has_source for example in examples]),
        "references": references,
        "reference_sizes": sizes,
        "tokens": tokens,
        "mask": mask,
    }


def _tokens(options: LoraConfig, tokenizer: Any, examples: Sequence[TrainingExample]) -> tuple[Tensor, Tensor]:
    rows = [klein.chat_tokens(tokenizer, prompt_of(options, example)) for example in examples]
    for row, example in zip(rows, examples, strict=True):
        if len(row) > options.tokens:
            raise DataError(f"{name_of(example)} has {len(row)} tokens; the model takes {options.tokens}")
    found = tokenizer.pad({"input_ids": rows}, padding="max_length", max_length=options.tokens, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def _references(options: LoraConfig, examples: Sequence[TrainingExample]) -> tuple[Tensor, Tensor]:
    made = [_fitted_references(options, example) for example in examples]
    most = max(map(len, made))
    height = max((each.shape[0] for some in made for each in some), default=0)
    width = max((each.shape[1] for some in made for each in some), default=0)
    pictures = torch.zeros(len(made), most, 3, height, width)
    sizes = torch.zeros(len(made), most, 2, dtype=torch.long)
    for row, some in enumerate(made):
        for place, each in enumerate(some):
            pictures[row, place, :, : each.shape[0], : each.shape[1]] = pixels_of([each])[0]
            sizes[row, place] = torch.tensor(each.shape[:2])
    return pictures, sizes


def _fitted_references(options: LoraConfig, example: TrainingExample) -> list[Pixels]:
    """An example's references, each at a size that the pipeline takes as it is."""
    check_references(example, most=options.most_references)
    return [
        padded(each, reference_size((each.shape[1], each.shape[0]), options.reference_pixels))
        for each in example.references
    ]


def reference_size(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Width and height at which a reference is shown: of its own shape and at most so large, as the pipeline takes it.

    What is longer than the pipeline takes, or smaller, gets margins.
    """
    longest = MOST_RATIO - 1  # cutting the sides to multiples changes the ratio
    canvas = (max(size[0], size[1] // longest), max(size[1], size[0] // longest))
    width, height = fit_size(canvas, pixels=min(pixels, canvas[0] * canvas[1]), multiple=MULTIPLE)
    least = max(LEAST_SIDE, -(-max(width, height) // (MOST_RATIO * MULTIPLE)) * MULTIPLE)
    return max(width, least), max(height, least)


def encoded_of(options: LoraConfig, model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the frozen networks make of a batch.

    `latents` of the target B,C,h,w; `text` B,L,D; `condition` B,N,C, source and references in a row; `ids` B,N,4 their
    coordinates; `lengths` B, how many of the N an example has.
    """
    pipe = model.pipe
    rows = [_condition(pipe, batch, row) for row in range(len(batch["target"]))]
    return {
        "latents": klein.latents_of(pipe, batch["target"]),
        "text": klein.text_states(model.text_encoder, batch["tokens"], batch["mask"], layers=options.text_layers),
        "condition": pad_sequence([tokens for tokens, _ in rows], batch_first=True),
        "ids": pad_sequence([ids for _, ids in rows], batch_first=True),
        "lengths": torch.tensor([len(ids) for _, ids in rows]),
    }


def _condition(pipe: Any, batch: Mapping[str, Tensor], row: int) -> tuple[Tensor, Tensor]:
    """Tokens N,C and coordinates N,4 of the pictures that one example is made from."""
    pictures = [batch["source"][row]] if batch["has_source"][row] else []
    for picture, (height, width) in zip(batch["references"][row], batch["reference_sizes"][row].tolist(), strict=True):
        if height:
            pictures.append(picture[:, :height, :width])
    latents = [klein.latents_of(pipe, picture[None]) for picture in pictures]
    if not latents:
        channels = pipe.transformer.config.in_channels
        device = batch["target"].device
        return torch.zeros(0, channels, device=device), torch.zeros(0, 4, dtype=torch.long, device=device)
    tokens = torch.cat([klein.packed(each)[0] for each in latents]).float()
    return tokens, klein.condition_ids(latents).to(tokens.device)


def losses_of(
    model: Any, encoded: Mapping[str, Tensor], generator: torch.Generator, *, times: str
) -> tuple[Tensor, Tensor]:
    """The loss of each example and its time: B and B."""
    latents = encoded["latents"].float()
    drawn = torch.randn(len(latents), generator=generator)
    uniform = torch.rand(len(latents), generator=generator)
    share = (drawn.sigmoid() if times == "logit_normal" else uniform).to(latents.device)
    noise = torch.randn(latents.shape, generator=generator).to(latents.device)
    mixed = torch.lerp(latents, noise, share.view(-1, 1, 1, 1))
    groups = [_predicted(model.transformer, mixed, share, encoded, rows) for rows in alike(encoded)]
    order = torch.cat([torch.tensor(rows) for rows in alike(encoded)]).argsort()
    predicted = torch.cat(groups)[order.to(latents.device)]
    losses = (predicted.float() - klein.packed(noise - latents)).square().mean(dim=(1, 2))
    return losses, share


def alike(encoded: Mapping[str, Tensor]) -> list[list[int]]:
    """Rows whose pictures have the same number and sizes: the transformer has one set of coordinates for a batch."""
    groups: dict[bytes, list[int]] = {}
    for row, (ids, length) in enumerate(zip(encoded["ids"], encoded["lengths"].tolist(), strict=True)):
        groups.setdefault(ids[:length].cpu().numpy().tobytes(), []).append(row)
    return [*groups.values()]


def _predicted(
    transformer: Any, mixed: Tensor, share: Tensor, encoded: Mapping[str, Tensor], rows: list[int]
) -> Tensor:
    """The transformer's prediction for rows that are alike: B,h·w,C."""
    length = int(encoded["lengths"][rows[0]])
    target, text = mixed[rows], encoded["text"][rows]
    ids = [klein.target_ids(target).to(mixed.device), encoded["ids"][rows, :length]]
    dtype = transformer.dtype
    row = torch.cat([klein.packed(target).to(dtype), encoded["condition"][rows, :length].to(dtype)], dim=1)
    found = transformer(
        hidden_states=row,
        timestep=share[rows].to(dtype),
        guidance=None,
        encoder_hidden_states=text.to(dtype),
        txt_ids=klein.text_ids(text).to(mixed.device),
        img_ids=torch.cat(ids, dim=1),
        return_dict=False,
    )[0]
    predicted: Tensor = found[:, : target.shape[2] * target.shape[3]]
    return predicted


def save_lora(model: Any, folder: str) -> None:
    """Write the small weights as `load_lora_weights` of the pipeline reads them, with rank and alpha."""
    transformer = model.transformer
    Flux2KleinPipeline.save_lora_weights(
        folder,
        transformer_lora_layers=get_peft_model_state_dict(transformer, adapter_name=ADAPTER),
        transformer_lora_adapter_metadata=transformer.peft_config[ADAPTER].to_dict(),
    )


def loaded_pipeline(options: LoraConfig, folder: str) -> Any:
    """FLUX.2 Klein with the small weights of a folder."""
    pipe = _base(options)
    pipe.load_lora_weights(folder, adapter_name=ADAPTER, local_files_only=True)
    return pipe


def edited(options: LoraConfig, pipe: Any, example: TrainingExample, *, seed: int) -> Pixels:
    """What the pipeline makes of an example: HWC uint8."""
    _tokens(options, pipe.tokenizer, [example])  # the pipeline would cut what is too long
    pictures = [example.source] if example.has_source else []
    pictures += _fitted_references(options, example)
    height, width = example.source.shape[:2]
    found = pipe(
        image=[Pillow.fromarray(picture) for picture in pictures] or None,
        prompt=prompt_of(options, example),
        height=height,
        width=width,
        num_inference_steps=options.sampling_steps,
        guidance_scale=1 if pipe.config.is_distilled else options.guidance,
        generator=torch.Generator().manual_seed(seed),
        max_sequence_length=options.tokens,
        text_encoder_out_layers=options.text_layers,
    )
    return np.asarray(found.images[0].convert("RGB"))
