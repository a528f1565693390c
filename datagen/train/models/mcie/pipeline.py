"""MCIE as a pipeline of diffusers: a complex instruction, its sub-instructions, and a box for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.image_processor import VaeImageProcessor
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from datagen.core.fields import Box
from datagen.train.data.examples import WHOLE
from datagen.train.models.latents import text_states, token_numbers
from datagen.train.models.mcie.guidance import MCIEGuidance


class MCIEPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Edits a picture by sub-instructions, each in its box, with guidance over text and picture as InstructPix2Pix."""

    _optional_components = ("image_encoder",)
    model_cpu_offload_seq = "text_encoder->image_encoder->unet->vae"

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        image_encoder: Any,
        unet: Any,
        guidance: MCIEGuidance,
        scheduler: Any,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            image_encoder=image_encoder,
            unet=unet,
            guidance=guidance,
            scheduler=scheduler,
        )
        guidance.attach(unet)
        self.image_processor = VaeImageProcessor(vae_scale_factor=2 ** (len(vae.config.block_out_channels) - 1))

    @torch.no_grad()
    def __call__(
        self,
        image: Pillow.Image,
        prompt: str,
        *,
        sub_instructions: Sequence[str] = (),
        boxes: Sequence[Box] = (),
        num_inference_steps: int = 20,
        guidance_scale: float = 7.5,
        image_guidance_scale: float = 1.5,
        generator: torch.Generator | None = None,
    ) -> Pillow.Image:
        """Edit one picture, whose sides are multiples of the autoencoder's cells.

        `prompt` is the whole instruction, and its own sub-instruction where none is given. `boxes` are xyxy in pixels,
        one for each of `sub_instructions`; without boxes each may change all of the picture. Raises `ValueError` for
        another number of boxes.
        """
        sub_instructions = sub_instructions or [prompt]
        generator = generator or torch.Generator().manual_seed(0)
        if boxes and len(boxes) != len(sub_instructions):
            raise ValueError(f"{len(sub_instructions)} sub-instructions have {len(boxes)} boxes; give one for each")
        width, height = image.size
        shares = [(box[0] / width, box[1] / height, box[2] / width, box[3] / height) for box in boxes]
        placed = torch.tensor([shares or [WHOLE] * len(sub_instructions)], device=self.device).view(1, -1, 4)
        picture = self.image_processor.preprocess(image).to(self.device, self.vae.dtype)
        source = self.vae.encode(picture).latent_dist.mode()
        words = text_states(
            self.text_encoder, token_numbers(self.tokenizer, [prompt, *sub_instructions]).to(self.device)
        )
        nothing = text_states(self.text_encoder, token_numbers(self.tokenizer, [""]).to(self.device))
        # Three predictions: with text and picture, with the picture alone, with neither.
        text = torch.stack([words, *[nothing.expand_as(words)] * 2])
        there = torch.ones(3, len(sub_instructions), device=self.device)
        there[1:] = 0
        known = {
            "text": text,
            "boxes": placed.expand(3, -1, -1),
            "there": there,
            "source": torch.cat([source, source, torch.zeros_like(source)]),
        }
        if self.image_encoder is not None:
            features = picture_features(self.image_encoder, picture)
            known["features"] = torch.cat([features, features, torch.zeros_like(features)])
        self.scheduler.set_timesteps(num_inference_steps, device=self.device)
        noise = torch.randn(source.shape, generator=generator, dtype=source.dtype)
        latent = noise.to(self.device) * self.scheduler.init_noise_sigma
        for time in self.progress_bar(self.scheduler.timesteps):
            scaled = self.scheduler.scale_model_input(latent, time)
            every = predicted(self.unet, self.guidance, scaled.expand(3, -1, -1, -1), time.expand(3), known)
            full, pictured, free = every.chunk(3)
            found = free + guidance_scale * (full - pictured) + image_guidance_scale * (pictured - free)
            latent = self.scheduler.step(found, time, latent, generator=generator).prev_sample
        decoded = self.vae.decode(latent / self.vae.config.scaling_factor).sample
        edited: Pillow.Image = self.image_processor.postprocess(decoded)[0]
        return edited


def predicted(unet: Any, guidance: MCIEGuidance, noisy: Tensor, times: Tensor, known: dict[str, Tensor]) -> Tensor:
    """What the U-Net predicts, noise or velocity: B,4,h,w.

    `noisy` is B,4,h,w and `times` B, from 0 to 1000. `known` has `text` B,m+1,L,c, the whole instruction first; `boxes`
    B,m,4 from 0 to 1; `there` B,m; `source` B,4,h,w; and `features` B,P,v where there is a background.
    """
    keys = guidance.contexts(known["text"], known["boxes"].float())
    height, width = noisy.shape[-2:]
    features = known["features"].float() if "features" in known else None
    place = guidance.place(known["boxes"], known["there"], times.float() / 1000, features, size=(height, width))
    cells = torch.cat([noisy, known["source"]], dim=1)
    found: Tensor = unet(cells, times, encoder_hidden_states=keys, cross_attention_kwargs={"place": place}).sample
    return found


def picture_features(encoder: Any, pictures: Tensor) -> Tensor:
    """The last hidden state but one of CLIP's vision encoder, of pictures B,3,H,W from -1 to 1: B,P,v.

    A picture is squeezed to the encoder's square, not cut to it: what is at its edges is background too.
    """
    side = encoder.config.image_size
    square = functional.interpolate(pictures.float(), (side, side), mode="bicubic", antialias=True, align_corners=False)
    mean, deviation = (pictures.new_tensor(values).view(1, 3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    seen = (square.clamp(-1, 1).add(1).div(2) - mean) / deviation
    features: Tensor = encoder(seen.to(encoder.dtype), output_hidden_states=True).hidden_states[-2]
    return features
