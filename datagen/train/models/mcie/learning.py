"""MCIE as a model to train: its parts, what is trained of them, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import EulerAncestralDiscreteScheduler
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from datagen.core.errors import ConfigError
from datagen.imaging.image import Pixels
from datagen.models.diffusion.loading import read_index, read_pipeline
from datagen.models.weights.packages import import_package
from datagen.models.weights.pretrained import load_pretrained
from datagen.train.data.examples import WHOLE, ExamplePart, TrainingExample, parts_of
from datagen.train.models.dropout import dropped
from datagen.train.models.latents import (
    LATENT_CHANNELS,
    LatentDiffusion,
    check_tokens,
    mode,
    stable_diffusion_pipeline,
)
from datagen.train.models.mcie.guidance import MCIEGuidance, cross_attentions
from datagen.train.models.mcie.pipeline import MCIEPipeline, picture_features, predicted
from datagen.train.models.pixels import pixels_of

if TYPE_CHECKING:
    from datagen.train.models.mcie.options import MCIEConfig

_SELF_ATTENTION = r".*\.attn1\.(to_q|to_k|to_v|to_out\.0)"


class MCIEModel(LatentDiffusion):
    """A Stable Diffusion with a guidance; trained are the guidance, cross-attentions, and a LoRA of self-attentions."""

    def __init__(
        self, pipeline: Any, guidance: MCIEGuidance, image_encoder: Any, *, lora_rank: int, cross_attention: bool
    ) -> None:
        super().__init__(pipeline)
        self.guidance: Any = guidance
        self.image_encoder: Any = image_encoder.requires_grad_(False) if image_encoder is not None else None
        self.scheduler = EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
        self.unet.requires_grad_(False)
        if lora_rank:
            peft = import_package("peft", extra="train")
            lora = peft.LoraConfig(r=lora_rank, lora_alpha=lora_rank, target_modules=_SELF_ATTENTION)
            self.unet.add_adapter(lora)
        for name in cross_attentions(self.unet):
            self.unet.get_submodule(name).requires_grad_(cross_attention)
        guidance.attach(self.unet)
        self.eval()

    def pipeline(self) -> MCIEPipeline:
        """The pipeline on the same weights."""
        return self._with(self.unet)

    def merged_pipeline(self) -> MCIEPipeline:
        """The pipeline with a stock U-Net, a copy into which the LoRA is merged."""
        merged = deepcopy(self.unet, {id(self.guidance): self.guidance})  # its attentions hold the guidance
        merged.fuse_lora()
        merged.unload_lora()
        return self._with(merged)

    def _with(self, unet: Any) -> MCIEPipeline:
        return MCIEPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            image_encoder=self.image_encoder,
            unet=unet,
            guidance=self.guidance,
            scheduler=self.scheduler,
        )


def read_mcie(config: MCIEConfig) -> MCIEModel:
    """The model from a Stable Diffusion or an earlier MCIE, fp32, on the CPU. Raises `ConfigError`, `SetupError`."""
    config.check_packages()
    folder = config.weights_path()
    guidance: MCIEGuidance
    if read_index(folder).get("_class_name") == MCIEPipeline.__name__:
        pipeline = read_pipeline(MCIEPipeline, config, folder, dtype=torch.float32, safety_checker="keep")
        guidance, encoder = pipeline.guidance, pipeline.image_encoder
        if (encoder is None) != (config.background == "none"):
            has = "no background" if encoder is None else "a background"
            raise ConfigError(f"model.background: {config.weights} was trained with {has}; keep it so")
        guidance.register_to_config(masking=config.masking, schedule=config.schedule, background=config.background)
    else:
        pipeline = stable_diffusion_pipeline(config, channels=2 * LATENT_CHANNELS)
        encoder = None
        if config.background != "none":
            transformers = import_package("transformers", extra="train")
            maker = transformers.CLIPVisionModelWithProjection
            encoder = load_pretrained(maker, config.image_encoder, device="cpu")
        guidance = MCIEGuidance.of(
            pipeline.unet,
            image_width=encoder.config.hidden_size if encoder is not None else 1,
            box_queries=config.box_queries,
            box_depth=config.box_depth,
            background_queries=config.background_queries,
            background_depth=config.background_depth,
            masking=config.masking,
            schedule=config.schedule,
            background=config.background,
        )
    return MCIEModel(
        pipeline, guidance, encoder, lora_rank=config.lora_rank, cross_attention=config.train_cross_attention
    )


def batch_of(
    model: Any, examples: Sequence[TrainingExample], words: Sequence[str], *, uses_boxes: bool, most_edits: int
) -> dict[str, Tensor]:
    """Examples of one size as tensors, each filled up to `most_edits` sub-instructions."""
    texts, boxes, there = [], [], []
    for example, whole in zip(examples, words, strict=True):
        parts = parts_of(example, uses_boxes=uses_boxes)
        missing = most_edits - len(parts)
        filled = [*parts, *[ExamplePart("", WHOLE)] * missing]
        texts += [whole, *(part.text for part in filled)]
        boxes.append([part.box for part in filled])
        there.append([1.0] * len(parts) + [0.0] * missing)
    tokens: Tensor = model.tokens(texts)
    return {
        "source": pixels_of([example.source for example in examples]),
        "target": pixels_of([example.target for example in examples]),
        "tokens": tokens.view(len(examples), most_edits + 1, -1),
        "boxes": torch.tensor(boxes, dtype=torch.float32),
        "there": torch.tensor(there, dtype=torch.float32),
    }


def encoded_of(model: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the frozen parts make of a batch."""
    tokens = batch["tokens"]
    states = model.text_states(tokens.flatten(0, 1))
    encoded = {
        "moments": model.moments(batch["target"]),
        "source": mode(model.moments(batch["source"])),
        "text": states.view(*tokens.shape[:2], *states.shape[1:]),
        "boxes": batch["boxes"],
        "there": batch["there"],
    }
    if model.image_encoder is not None:
        encoded["features"] = picture_features(model.image_encoder, batch["source"])
    return encoded


def losses_of(
    model: Any, encoded: Mapping[str, Tensor], generator: torch.Generator, **drops: float
) -> tuple[Tensor, Tensor]:
    """The loss of each example (equation 12), and the time, 0 to 1, at which it was taken: B and B.

    Without its text an example has no sub-instructions; without its source it has no background either.
    """
    latents = model.sampled(encoded["moments"], generator)
    noisy, steps, goal = model.noised(latents, generator)
    without_text, without_source = dropped(len(latents), generator, device=latents.device, **drops)
    nothing = model.no_text.to(encoded["text"].dtype)[:, None]
    known = {
        "text": torch.where(without_text.view(-1, 1, 1, 1), nothing, encoded["text"]),
        "boxes": encoded["boxes"],
        "there": encoded["there"] * ~without_text[:, None],
        "source": encoded["source"].float() * ~without_source.view(-1, 1, 1, 1),
    }
    if "features" in encoded:
        known["features"] = encoded["features"] * ~without_source.view(-1, 1, 1)
    found = predicted(model.unet, model.guidance, noisy, steps, known)
    losses = functional.mse_loss(found.float(), goal, reduction="none").mean(dim=(1, 2, 3))
    return losses, model.share_of_time(steps)


def edited(
    pipeline: MCIEPipeline, example: TrainingExample, words: str, *, uses_boxes: bool, seed: int, **options: Any
) -> Pixels:
    """What a pipeline makes of an example's source: HWC uint8. `options` are those of its call."""
    parts = parts_of(example, uses_boxes=uses_boxes)
    for text in (words, *(part.text for part in parts)):
        check_tokens(pipeline.tokenizer, text)
    height, width = example.source.shape[:2]
    boxes = [(x0 * width, y0 * height, x1 * width, y1 * height) for _, (x0, y0, x1, y1) in parts]
    picture = pipeline(
        Pillow.fromarray(example.source),
        words,
        sub_instructions=[part.text for part in parts],
        boxes=boxes,
        generator=torch.Generator().manual_seed(seed),
        **options,
    )
    return np.asarray(picture)
