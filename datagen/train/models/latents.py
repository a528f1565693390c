"""Stable Diffusion as a model to train: how it is loaded, and what its frozen parts make of pictures and words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import DDPMScheduler, StableDiffusionInstructPix2PixPipeline
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

from datagen.core.errors import ConfigError, DataError, SetupError
from datagen.models.diffusion.loading import read_index, read_pipeline
from datagen.models.weights.config import WeightsSourceConfig
from datagen.models.weights.pretrained import load_errors_explained
from datagen.train.models.convolutions import widened
from datagen.train.models.stable_diffusion import PIXELS_A_LATENT, token_count

LATENT_CHANNELS: Final = 4
_PIPELINES: Final = (
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInstructPix2PixPipeline",
)


class LatentDiffusion(nn.Module):
    """Stable Diffusion's U-Net, which is trained, beside its autoencoder and text encoder, which are not."""

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        self.unet: Any = pipeline.unet
        self.vae: Any = pipeline.vae.requires_grad_(False)
        self.text_encoder: Any = pipeline.text_encoder.requires_grad_(False)
        self.tokenizer: Any = pipeline.tokenizer
        self.scheduler: Any = pipeline.scheduler
        """What the pipeline samples with."""
        self.noising: Any = DDPMScheduler.from_config(pipeline.scheduler.config)
        """What it is trained with, on the same schedule of noise."""
        self.eval()
        with torch.no_grad():
            nothing = self.text_states(self.tokens([""]))
        self.register_buffer("no_text", nothing, persistent=False)
        """What the text encoder makes of an empty instruction: 1,L,C."""

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """The numbers of each text's tokens, filled up to the most that the text encoder takes: B,L.

        Raises `DataError` for a text with more of them, which is never cut.
        """
        for text in texts:
            check_tokens(self.tokenizer, text)
        return token_numbers(self.tokenizer, texts)

    def text_states(self, tokens: Tensor) -> Tensor:
        """What the U-Net sees of texts: B,L,C."""
        return text_states(self.text_encoder, tokens.to(self.text_encoder.device))

    def moments(self, pixels: Tensor) -> Tensor:
        """Mean and logarithm of the variance of pictures' latents, not scaled: B,3,H,W from -1 to 1 to B,8,H/8,W/8."""
        found: Tensor = self.vae.encode(pixels).latent_dist.parameters
        return found

    def noised(self, latents: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents with noise, at which of the scheduler's steps, and what is to be predicted: B,4,h,w, B and B,4,h,w.

        `generator` is the CPU's.
        """
        steps = torch.randint(self.noising.config.num_train_timesteps, (len(latents),), generator=generator)
        steps = steps.to(latents.device)
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        velocity = self.noising.config.prediction_type == "v_prediction"
        goal: Tensor = self.noising.get_velocity(latents, noise, steps) if velocity else noise
        noisy: Tensor = self.noising.add_noise(latents, noise, steps)
        return noisy, steps, goal

    def share_of_time(self, steps: Tensor) -> Tensor:
        """Steps of the scheduler as times from 0 (no noise) to 1: B."""
        return (steps + 1) / int(self.noising.config.num_train_timesteps)

    def sampled(self, moments: Tensor, generator: torch.Generator) -> Tensor:
        """Latents drawn from their moments, scaled as the U-Net is trained on them: B,4,h,w."""
        drawn: Tensor = DiagonalGaussianDistribution(moments.float()).sample(generator)
        return drawn * float(self.vae.config.scaling_factor)

    def pipeline(self) -> Any:
        """A stock pipeline of InstructPix2Pix, on the same weights."""
        return StableDiffusionInstructPix2PixPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=self.unet,
            scheduler=self.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def token_numbers(tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Numbers of the words of each text, filled up to the tokenizer's length: N,L."""
    found: Tensor = tokenizer(
        list(texts), padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids
    return found


def text_states(encoder: Any, tokens: Tensor) -> Tensor:
    """The last hidden state of each word, as Stable Diffusion takes it: N,L to N,L,c."""
    states: Tensor = encoder(tokens).last_hidden_state
    return states


def check_tokens(tokenizer: Any, text: str) -> None:
    """Raise `DataError` if a text has more tokens than its encoder takes: pipelines would cut it without a word."""
    if (number := token_count(tokenizer, text)) > (most := tokenizer.model_max_length):
        raise DataError(f"'{text[:60]}...' has {number} tokens, the model takes {most}; shorten it")


def mode(moments: Tensor) -> Tensor:
    """The most likely latents, not scaled: B,8,h,w to B,4,h,w."""
    return moments.chunk(2, dim=1)[0]


def read_stable_diffusion(config: WeightsSourceConfig, *, channels: int) -> LatentDiffusion:
    """Stable Diffusion with a U-Net of so many input channels. Raises as `stable_diffusion_pipeline`."""
    return LatentDiffusion(stable_diffusion_pipeline(config, channels=channels))


def stable_diffusion_pipeline(config: WeightsSourceConfig, *, channels: int) -> Any:
    """Its pipeline, fp32, on the CPU, with a U-Net of so many input channels, of which those it lacks begin as zeros.

    Raises `SetupError` if weights are missing or damaged, `ConfigError` if they are those of another model.
    """
    config.check_packages()
    folder = config.weights_path()
    index = read_index(folder)
    if (name := str(index.get("_class_name"))) not in _PIPELINES:
        raise ConfigError(
            f"model.weights: {config.weights} is a {name}, which kind '{config.kind}' cannot be trained from; "
            "take a text-to-image model of the family Stable Diffusion 1 or 2, or an InstructPix2Pix"
        )
    if "unet" not in index:
        raise SetupError(f"{config.weights} names no U-Net in its model_index.json: it is damaged")
    _check_networks(config, folder, channels)
    pipeline = read_pipeline(_class_of(name), config, folder, dtype=torch.float32, safety_checker="leave_out")
    widen(pipeline.unet, channels)
    return pipeline


def _class_of(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)


def _check_networks(config: WeightsSourceConfig, folder: Path, channels: int) -> None:
    """Raise `ConfigError` if the networks have another shape than Stable Diffusion's, before weights are read."""
    with load_errors_explained(config, "config of its networks"):
        unet, vae, scheduler = (
            json.loads((folder / part / file).read_text("utf-8"))
            for part, file in (("unet", "config.json"), ("vae", "config.json"), ("scheduler", "scheduler_config.json"))
        )
        found = int(unet["in_channels"])
        fold = 2 ** (len(vae["block_out_channels"]) - 1)
    if found not in (LATENT_CHANNELS, channels):
        remedy = "; those with 9 are made for inpainting" if found == 9 else ""
        raise ConfigError(
            f"model.weights: the U-Net of {config.weights} has {found} input channels, {LATENT_CHANNELS} or {channels} "
            f"are wanted{remedy}"
        )
    if vae.get("latent_channels", LATENT_CHANNELS) != LATENT_CHANNELS or fold != PIXELS_A_LATENT:
        raise ConfigError(
            f"model.weights: the autoencoder of {config.weights} makes {vae.get('latent_channels')} channels of "
            f"{fold} x {fold} pixels; {LATENT_CHANNELS} of {PIXELS_A_LATENT} x {PIXELS_A_LATENT} are wanted"
        )
    kind = scheduler.get("prediction_type", "epsilon")
    if kind not in ("epsilon", "v_prediction"):
        raise ConfigError(
            f"model.weights: {config.weights} predicts '{kind}' (its scheduler's prediction_type); "
            "epsilon or v_prediction are wanted"
        )


def widen(unet: Any, channels: int) -> None:
    """Give a U-Net more input channels, whose weights are zero, so that it predicts as before."""
    if unet.conv_in.in_channels < channels:
        unet.conv_in = widened(unet.conv_in, channels)
        unet.register_to_config(in_channels=channels)
