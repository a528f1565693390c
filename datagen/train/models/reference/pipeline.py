"""From words, pictures among them, and a source to an edit, as a pipeline of diffusers.

An instruction is cut at its placeholders. Words become embeddings of the language model, and each placeholder the
tokens of its picture; the language model's encoder reads them in a row. The diffusion transformer sees noisy latent and
source side by side, 8 channels; where there is no source, on a blank canvas, these are zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image as Pillow
from torch import Tensor
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from datagen.core.fields import PLACEHOLDER
from datagen.imaging.image import Pixels
from datagen.train.data.framing import padded
from datagen.train.data.selection import SOURCE

NO_SLOT = -1


class InterleavedRow(NamedTuple):
    """One instruction, as numbers."""

    tokens: list[int]
    """Of the words; anything where a picture stands."""
    slots: list[int]
    """Which of the pictures' tokens stands there, `NO_SLOT` for a word."""


class ReferenceEditPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Edits a picture, or draws one, by an instruction with pictures among its words."""

    model_cpu_offload_seq = "image_encoder->qformer->fusion->text_encoder->transformer->vae"

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        image_encoder: Any,
        qformer: Any,
        fusion: Any,
        scheduler: Any,
        reference_side: int = 256,
        most_tokens: int = 256,
    ) -> None:
        super().__init__()
        self.register_modules(
            transformer=transformer,
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            image_encoder=image_encoder,
            qformer=qformer,
            fusion=fusion,
            scheduler=scheduler,
        )
        self.register_to_config(reference_side=reference_side, most_tokens=most_tokens)
        self.vae_scale_factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.image_processor = VaeImageProcessor(vae_scale_factor=self.vae_scale_factor)

    def row(self, instruction: str, pictures: Sequence[int]) -> InterleavedRow:
        """An instruction as numbers; `pictures` says which picture each placeholder stands for.

        Raises `ValueError` for another number of placeholders, or for too many tokens.
        """
        found = row_of(self.tokenizer, instruction, pictures, queries=self.fusion.config.queries)
        if len(found.tokens) > (most := self.config.most_tokens):
            raise ValueError(f"the instruction has {len(found.tokens)} tokens; the model takes {most}")
        return found

    def rows(self, rows: Sequence[InterleavedRow]) -> dict[str, Tensor]:
        """Rows, filled up, as tensors B,L on the CPU: `tokens`, `slots`, and `mask`, 1 where there is something."""
        longest = max(len(row.tokens) for row in rows)
        fill = {"tokens": self.tokenizer.pad_token_id, "slots": NO_SLOT}
        made = {
            name: torch.tensor([[*getattr(row, name), *[filler] * (longest - len(row.tokens))] for row in rows])
            for name, filler in fill.items()
        }
        lengths = torch.tensor([len(row.tokens) for row in rows])
        return {**made, "mask": (torch.arange(longest) < lengths[:, None]).long()}

    def picture_tensors(self, pictures: Sequence[Pixels]) -> dict[str, Tensor]:
        """Pictures HWC uint8 as both image encoders see them, in white squares: `semantic` and `detail` N,3,s,s."""
        seen = _pixels(pictures, self.image_encoder.config.image_size)
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
        return {"semantic": (seen - mean) / deviation, "detail": _pixels(pictures, self.config.reference_side) * 2 - 1}

    def seen(self, semantic: Tensor, detail: Tensor) -> dict[str, Tensor]:
        """What the image encoders make of N pictures: `semantic` N,T,D and `detail`, a latent, N,C,h,w."""
        features = self.image_encoder(pixel_values=semantic.to(self.image_encoder.dtype)).last_hidden_state
        return {"semantic": features.float(), "detail": self.latents(detail)}

    def latents(self, pictures: Tensor) -> Tensor:
        """Pictures B,3,H,W from -1 to 1 as latents B,C,h,w; the mode, nothing is drawn."""
        encoded: Tensor = self.vae.encode(pictures.to(self.vae.dtype)).latent_dist.mode()
        return encoded.float() * float(self.vae.config.scaling_factor)

    def picture_tokens(self, semantic: Tensor, detail: Tensor) -> Tensor:
        """Tokens N,Q,D for the language model of what the image encoders made of N pictures."""
        queries = self.fusion.query_tokens.expand(len(semantic), -1, -1)
        answers = self.qformer(query_embeds=queries, encoder_hidden_states=semantic).last_hidden_state
        patches = self.transformer.pos_embed(torch.cat([detail, torch.zeros_like(detail)], dim=1))
        tokens: Tensor = self.fusion(answers, patches)
        return tokens

    def states(self, rows: Mapping[str, Tensor], pictures: Tensor) -> Tensor:
        """What the language model makes of rows B,L, among whose words stand tokens of pictures B,P·Q,D: B,L,D."""
        slots = rows["slots"]
        embedded = self.text_encoder.get_input_embeddings()(rows["tokens"])
        if pictures.shape[1]:
            there = torch.arange(len(slots), device=slots.device)[:, None]
            placed = pictures[there, slots.clamp(min=0)].to(embedded.dtype)
            embedded = torch.where((slots >= 0)[..., None], placed, embedded)
        found = self.text_encoder(inputs_embeds=embedded, attention_mask=rows["mask"]).last_hidden_state
        states: Tensor = found.to(self.transformer.dtype)
        return states

    def noise_in(self, noisy: Tensor, source: Tensor, times: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """The noise that the transformer sees in latents B,C,h,w beside the source's B,C,h,w."""
        found = self.transformer(
            torch.cat([noisy, source], dim=1).to(self.transformer.dtype),
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
            timestep=times,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        ).sample
        noise: Tensor = found[:, : noisy.shape[1]]  # PixArt also predicts a variance, which its samplers do not use
        return noise

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        image: Pillow.Image | None = None,
        references: Sequence[Pillow.Image] = (),
        *,
        inputs: Sequence[int] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 20,
        guidance_scale: float = 7.5,
        image_guidance_scale: float = 1.5,
        generator: torch.Generator | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> Any:
        """Edit `image`; without one, draw a picture of `width` x `height` pixels on a blank canvas.

        `prompt` has a placeholder `<imagehere>` for each reference, in their order; one more, the last, is the image
        itself. `inputs` says it otherwise: for each placeholder the number of a reference, or -1 for the image.
        `guidance_scale` is that of the prompt and its pictures, `image_guidance_scale` that of the image.
        Raises `ValueError` for another number of placeholders, too many tokens, or sides that do not fit.
        """
        width, height = image.size if image else (width or 512, height or 512)
        multiple = self.vae_scale_factor * self.transformer.config.patch_size
        if width % multiple or height % multiple:
            raise ValueError(f"a picture of {width}x{height}: its sides have to be multiples of {multiple}")
        device = self._execution_device
        rows, pictures = self._conditions(prompt, image, references, inputs, device)
        states = self.states(rows, pictures)
        shape = (1, self.vae.config.latent_channels, height // self.vae_scale_factor, width // self.vae_scale_factor)
        source = torch.zeros(shape, device=device)
        if image:
            source = self.latents(self.image_processor.preprocess(image, height, width).to(device))
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        drawn = randn_tensor(shape, generator=generator, device=device) * self.scheduler.init_noise_sigma
        sources = torch.cat([torch.zeros_like(source), source, source])
        for step in self.progress_bar(self.scheduler.timesteps):
            noisy = self.scheduler.scale_model_input(drawn, step).expand(3, -1, -1, -1)
            neither, pictured, full = (
                self.noise_in(noisy, sources, step.expand(3), states, rows["mask"]).float().chunk(3)
            )
            noise = neither + image_guidance_scale * (pictured - neither) + guidance_scale * (full - pictured)
            drawn = self.scheduler.step(noise, step, drawn, return_dict=False)[0]
        if output_type == "latent":
            made = drawn
        else:
            decoded = self.vae.decode((drawn / self.vae.config.scaling_factor).to(self.vae.dtype), return_dict=False)[0]
            made = self.image_processor.postprocess(decoded.float(), output_type=output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=made) if return_dict else (made,)

    def _conditions(
        self,
        prompt: str,
        image: Pillow.Image | None,
        references: Sequence[Pillow.Image],
        inputs: Sequence[int] | None,
        device: torch.device,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Rows 3,L of nothing, nothing and the prompt, and the tokens of the pictures for each, 3,P·Q,D."""
        if inputs is None:
            inputs = (*range(len(references)), *([SOURCE] if image else []))[: prompt.count(PLACEHOLDER)]
        some = [np.asarray(each.convert("RGB")) for each in (*references, *([image] if image else []))]
        chosen = [len(references) if number == SOURCE else number for number in inputs]
        if missing := [number for number in chosen if not 0 <= number < len(some)]:
            raise ValueError(f"a placeholder stands for picture {missing[0]}, of {len(some)} that are given")
        nothing = self.row("", ())
        rows = {
            name: value.to(device) for name, value in self.rows([nothing, nothing, self.row(prompt, chosen)]).items()
        }
        if not chosen:
            return rows, torch.zeros(3, 0, 0, device=device)
        tensors = {name: value.to(device) for name, value in self.picture_tensors(some).items()}
        tokens = self.picture_tokens(**self.seen(**tensors))
        return rows, tokens.flatten(0, 1).expand(3, -1, -1)


def row_of(tokenizer: Any, instruction: str, pictures: Sequence[int], *, queries: int) -> InterleavedRow:
    """An instruction as numbers, uncut. Raises `ValueError` if it has not one placeholder for each picture."""
    texts = instruction.split(PLACEHOLDER)
    if len(texts) - 1 != len(pictures):
        raise ValueError(f"the instruction has {len(texts) - 1} {PLACEHOLDER} for {len(pictures)} pictures")
    tokens: list[int] = []
    slots: list[int] = []
    for number, text in enumerate(texts):
        words = tokenizer(text.strip(), add_special_tokens=False, verbose=False)["input_ids"]
        tokens += words
        slots += [NO_SLOT] * len(words)
        if number < len(pictures):
            tokens += [tokenizer.pad_token_id] * queries
            slots += range(pictures[number] * queries, (pictures[number] + 1) * queries)
    return InterleavedRow([*tokens, tokenizer.eos_token_id], [*slots, NO_SLOT])


def _pixels(pictures: Sequence[Pixels], side: int) -> Tensor:
    """Pictures in white squares as N,3,side,side, from 0 to 1."""
    made = np.stack([padded(picture, (side, side)) for picture in pictures])
    return torch.from_numpy(made).permute(0, 3, 1, 2).float() / 255
