"""The networks of the family `reference` before training, from checkpoints or new, checked against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import transformers

from datagen.core.errors import SetupError
from datagen.models.weights.pretrained import load_errors_explained, load_pretrained
from datagen.train.models.convolutions import widened
from datagen.train.models.reference.fusion import ReferenceFusion
from datagen.train.models.reference.options import (
    FUSION_HEADS,
    MULTIPLE,
    NewTransformer,
    PretrainedPart,
    ReferenceConfig,
)
from datagen.train.models.reference.pipeline import ReferenceEditPipeline
from datagen.train.models.tokenizers import tokenizer_of

PATCH = 2


def new_pipeline(options: ReferenceConfig) -> ReferenceEditPipeline:
    """All networks as a pipeline. Raises `SetupError` if weights are missing, or parts do not fit each other."""
    vae = _diffusers_part(diffusers.AutoencoderKL, options.vae, "vae")
    text_encoder = _transformers_part(transformers.T5EncoderModel, options.language_model, "text_encoder")
    image_encoder = _transformers_part(transformers.CLIPVisionModel, options.image_encoder, "image_encoder")
    transformer = _transformer(options, channels=vae.config.latent_channels, text_width=text_encoder.config.d_model)
    _check(options, transformer, vae, text_encoder)
    sizes = options.qformer
    qformer = transformers.Blip2QFormerModel(
        transformers.Blip2QFormerConfig(
            hidden_size=sizes.width,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            intermediate_size=4 * sizes.width,
            encoder_hidden_size=image_encoder.config.hidden_size,
        )
    )
    fusion = ReferenceFusion(
        queries=sizes.queries,
        width=sizes.width,
        detail_width=transformer.inner_dim,
        text_width=text_encoder.config.d_model,
        heads=FUSION_HEADS,
    )
    return ReferenceEditPipeline(
        transformer=transformer,
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer_of(options.language_model),
        image_encoder=image_encoder,
        qformer=qformer,
        fusion=fusion,
        scheduler=diffusers.DPMSolverMultistepScheduler(beta_start=0.0001, beta_end=0.02, beta_schedule="linear"),
        reference_side=options.reference_side,
        most_tokens=options.tokens,
    )


def _transformer(options: ReferenceConfig, *, channels: int, text_width: int) -> Any:
    sizes = options.transformer
    if isinstance(sizes, NewTransformer):
        return diffusers.PixArtTransformer2DModel(
            num_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            attention_head_dim=sizes.head_width,
            cross_attention_dim=sizes.heads * sizes.head_width,
            in_channels=2 * channels,
            out_channels=channels,
            patch_size=PATCH,
            sample_size=64,
            caption_channels=text_width,
            use_additional_conditions=False,
        )
    found = _diffusers_part(diffusers.PixArtTransformer2DModel, sizes, "transformer")
    if found.use_additional_conditions:
        raise SetupError(f"model.transformer: {sizes.weights} also reads sizes, as PixArt at 1024 px; take one for 512")
    if found.config.in_channels == channels:
        return _widened(found)
    return found


def _widened(transformer: Any) -> Any:
    """A transformer that takes twice as many channels; the new ones count for nothing yet."""
    channels = 2 * transformer.config.in_channels
    transformer.pos_embed.proj = widened(transformer.pos_embed.proj, channels)
    transformer.register_to_config(in_channels=channels)
    return transformer


def _check(options: ReferenceConfig, transformer: Any, vae: Any, text_encoder: Any) -> None:
    config, channels = transformer.config, vae.config.latent_channels
    if config.in_channels != 2 * channels or transformer.out_channels not in (channels, 2 * channels):
        raise SetupError(
            f"model.transformer takes {config.in_channels} channels and gives {transformer.out_channels}; latents of "
            f"model.vae have {channels}, so that it has to take {channels} or {2 * channels}"
        )
    if config.caption_channels != text_encoder.config.d_model:
        raise SetupError(
            f"model.transformer reads {config.caption_channels} channels of a text, but model.language_model "
            f"({options.language_model.weights}) has {text_encoder.config.d_model}"
        )
    cell = 2 ** (len(vae.config.block_out_channels) - 1) * config.patch_size
    if cell != MULTIPLE:
        raise SetupError(f"a token of model.transformer covers {cell} pixels of model.vae; {MULTIPLE} are wanted")


def _place(part: PretrainedPart, name: str) -> Path:
    """Folder of a network: that of its name in a pipeline's, or the whole."""
    folder = part.weights_path()
    return folder / name if (folder / name).is_dir() else folder


def _diffusers_part(maker: Any, part: PretrainedPart, name: str) -> Any:
    dtype = part.as_model().prepare("cpu")
    with load_errors_explained(part, maker.__name__):
        found = maker.from_pretrained(_place(part, name), dtype=dtype, local_files_only=True, use_safetensors=True)
    if lacking := [weight for weight, value in found.named_parameters() if value.is_meta]:
        what = f"{len(lacking)} weights of a {maker.__name__}, such as '{lacking[0]}'"
        raise SetupError(f"model.{name}: {part.weights} lacks {what}: it is another model, or damaged")
    return found


def _transformers_part(maker: Any, part: PretrainedPart, name: str) -> Any:
    inside = _place(part, name) != part.weights_path()
    return load_pretrained(maker, part.as_model(), device="cpu", **({"subfolder": name} if inside else {}))
