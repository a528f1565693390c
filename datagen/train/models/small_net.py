"""A small editor that learns from scratch on a CPU: a U-Net on pixels, each sub-instruction inside of its own box.

The picture is folded (4 x 4 pixels to a cell), so that there is no autoencoder. The net sees the noisy target, the
source and coordinates, and predicts the target as a change of the source. Sub-instructions are encoded one by one by a
small transformer, and a cell attends to those alone in whose box it lies, as in MCIE's spatial attention (section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin  # `from_pretrained` looks for this name in this module
from PIL import Image as Pillow
from torch import Tensor, nn
from torch.nn import functional

from datagen.core.fields import Box
from datagen.imaging.image import Pixels
from datagen.train.data.examples import WHOLE, ExamplePart, TrainingExample, parts_of
from datagen.train.models.boxes import box_cells, cells_at_level
from datagen.train.models.pixels import pixels_of
from datagen.train.models.small import multiple_of
from datagen.train.models.words import word_numbers

__all__ = ["ModelMixin", "SmallEditNet", "SmallEditPipeline"]

_HIDDEN = -1e4
_LEAST_TIME = 0.02


def losses_of(net: nn.Module, batch: Mapping[str, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The loss of each example, and the time, 0 to 1, at which it was taken: B and B.

    The net predicts the target from the target mixed with noise. Times are drawn as 1 - u², mostly near 1, where all
    that is to be drawn has yet to be decided.
    """
    source, target = batch["source"], batch["target"]
    uniform = torch.rand(len(target), generator=generator)
    times = (1 - uniform**2).clamp(_LEAST_TIME, 1).to(target.device)
    noise = torch.randn(target.shape, generator=generator).to(target.device)
    share = times.view(-1, 1, 1, 1)
    mixed = (1 - share) * target + share * noise
    found = net(mixed, source, times, batch["tokens"], batch["boxes"])
    return functional.mse_loss(found, target, reduction="none").mean(dim=(1, 2, 3)), times


def batch_of(
    examples: Sequence[TrainingExample], *, uses_boxes: bool, words: int, vocabulary: int
) -> dict[str, Tensor]:
    """Examples of one size as tensors."""
    parts = [parts_of(example, uses_boxes=uses_boxes) for example in examples]
    return {
        "source": pixels_of([example.source for example in examples]),
        "target": pixels_of([example.target for example in examples]),
        **conditions(parts, words=words, vocabulary=vocabulary),
    }


def edited(pipeline: SmallEditPipeline, example: TrainingExample, *, uses_boxes: bool, seed: int) -> Pixels:
    """What a pipeline makes of an example's source: HWC uint8."""
    parts = parts_of(example, uses_boxes=uses_boxes)
    height, width = example.source.shape[:2]
    boxes = [(x0 * width, y0 * height, x1 * width, y1 * height) for _, (x0, y0, x1, y1) in parts]
    source = Pillow.fromarray(example.source)
    generator = torch.Generator().manual_seed(seed)
    return np.asarray(pipeline(source, [part.text for part in parts], boxes=boxes, generator=generator))


def conditions(parts: Sequence[Sequence[ExamplePart]], *, words: int, vocabulary: int) -> dict[str, Tensor]:
    """Sub-instructions of each example as tensors: `tokens` B,m,L and `boxes` B,m,4, with m of the one with most."""
    most = max(map(len, parts))
    filled = [[*each, *[ExamplePart("", WHOLE)] * (most - len(each))] for each in parts]
    tokens = word_numbers([part.text for each in filled for part in each], words=words, vocabulary=vocabulary)
    boxes = np.asarray([[part.box for part in each] for each in filled], np.float32)
    return {"tokens": torch.from_numpy(tokens.reshape(len(parts), most, words)), "boxes": torch.from_numpy(boxes)}


class InsideBoxes:
    """Attention in which a cell sees the sub-instructions alone in whose box it lies."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,  # noqa: ARG002 - as diffusers calls it
        temb: Tensor | None = None,  # noqa: ARG002
        bias: Tensor | None = None,
        inside: Tensor | None = None,
    ) -> Tensor:
        """`bias` B,1,1,K hides words that are not there; `inside` B,m,h,w is 1 in each box of the finest level.

        diffusers drops arguments that are not named here.
        """
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        batch, cells, _ = hidden_states.shape
        heads = attn.heads

        def split(values: Tensor) -> Tensor:
            return values.view(batch, -1, heads, values.shape[-1] // heads).transpose(1, 2)

        mask = None
        if encoder_hidden_states is not None and bias is not None and inside is not None:
            seen = cells_at_level(inside, cells).flatten(2).transpose(1, 2)  # B,cells,m
            words = (bias.shape[-1] - 1) // seen.shape[-1]
            always = torch.ones_like(seen[..., :1])  # the first key is no word: who lies in no box looks there
            mask = bias + (1 - torch.cat([always, seen.repeat_interleave(words, dim=2)], dim=2))[:, None] * _HIDDEN
        query, key, value = (split(layer(what)) for layer, what in _layers(attn, hidden_states, context))
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        joined: Tensor = attn.to_out[0](found.transpose(1, 2).reshape(batch, cells, -1))
        return joined


def _layers(attn: Any, hidden: Tensor, context: Tensor) -> list[tuple[Any, Tensor]]:
    return [(attn.to_q, hidden), (attn.to_k, context), (attn.to_v, context)]


class SmallEditNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Predicts the edited picture from a noisy one, the source, and sub-instructions with boxes."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        channels: Sequence[int] = (32, 64),
        fold: int = 4,
        text_width: int = 64,
        words: int = 24,
        vocabulary: int = 4096,
    ) -> None:
        super().__init__()
        depth = 3 * fold * fold
        self.embedding = nn.Embedding(vocabulary, text_width)
        self.positions = nn.Parameter(torch.randn(words, text_width) * 0.1)
        self.nothing = nn.Parameter(torch.randn(1, 1, text_width) * 0.1)
        layer = nn.TransformerEncoderLayer(
            text_width, 4, 2 * text_width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(text_width)
        self.unet = UNet2DConditionModel(
            in_channels=2 * depth + 2,
            out_channels=depth,
            block_out_channels=tuple(channels),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D",) * len(channels),
            up_block_types=("CrossAttnUpBlock2D",) * len(channels),
            mid_block_type="UNetMidBlock2DCrossAttn",
            cross_attention_dim=text_width,
            attention_head_dim=[max(1, width // 32) for width in channels],
            norm_num_groups=16,
        )
        self.unet.set_attn_processor(InsideBoxes())
        nn.init.zeros_(self.unet.conv_out.weight)  # so that training begins with copying the source
        nn.init.zeros_(self.unet.conv_out.bias)

    @property
    def multiple(self) -> int:
        """What the sides of a picture have to be multiples of."""
        return multiple_of(self.config.fold, len(self.config.channels))

    def forward(self, noisy: Tensor, source: Tensor, times: Tensor, tokens: Tensor, boxes: Tensor) -> Tensor:
        """The edited pictures B,3,H,W, from -1 to 1; the arguments' shapes are B,3,H,W twice, B, B,m,L and B,m,4.

        H and W are multiples of `multiple`.
        """
        fold = self.config.fold
        folded = [functional.pixel_unshuffle(picture, fold) for picture in (noisy, source)]
        height, width = folded[0].shape[-2:]
        context, bias = self._encode(tokens)
        known = {"bias": bias, "inside": box_cells(boxes, height, width)}
        cells = torch.cat([*folded, _coordinates(len(noisy), height, width, noisy)], dim=1)
        change = self.unet(cells, times * 1000, encoder_hidden_states=context, cross_attention_kwargs=known).sample
        return source + functional.pixel_shuffle(change, fold)

    def _encode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Words of all sub-instructions in a row, after a key for nothing, and what hides those that are not there."""
        batch, parts, words = tokens.shape
        rows = tokens.reshape(batch * parts, words)
        missing = rows == 0
        hidden = missing.clone()
        hidden[:, 0] = False  # a row that hides all of itself has no softmax
        encoded = self.norm(self.encoder(self.embedding(rows) + self.positions, src_key_padding_mask=hidden))
        context = torch.cat([self.nothing.expand(batch, 1, -1), encoded.view(batch, parts * words, -1)], dim=1)
        bias = missing.view(batch, 1, 1, parts * words).to(encoded.dtype) * _HIDDEN
        return context, torch.cat([torch.zeros_like(bias[..., :1]), bias], dim=-1)


def _coordinates(batch: int, height: int, width: int, like: Tensor) -> Tensor:
    rows, columns = (torch.linspace(-1, 1, side, device=like.device, dtype=like.dtype) for side in (height, width))
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None].expand(batch, -1, -1, -1)


class SmallEditPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Edits pictures with a `SmallEditNet`, as diffusers' pipelines do."""

    def __init__(self, net: Any, sampling_steps: int = 4, uses_boxes: bool = True) -> None:
        super().__init__()
        self.register_modules(net=net)
        self.register_to_config(sampling_steps=sampling_steps, uses_boxes=uses_boxes)

    @torch.no_grad()
    def __call__(
        self,
        image: Pillow.Image,
        prompt: str | Sequence[str],
        *,
        boxes: Sequence[Box] = (),
        num_inference_steps: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Pillow.Image:
        """Edit one picture, whose sides are multiples of the net's cells.

        `prompt` is an instruction or several; `boxes` are xyxy in pixels, one for each, or none: then each may change
        all of the picture. Raises `ValueError` for another number of boxes, or for a size that the net does not take.
        """
        texts = [prompt] if isinstance(prompt, str) else list(prompt)
        if boxes and len(boxes) != len(texts):
            raise ValueError(f"{len(texts)} instructions have {len(boxes)} boxes; one for each is wanted, or none")
        width, height = image.size
        if width % self.net.multiple or height % self.net.multiple:
            raise ValueError(f"a picture of {width}x{height}: its sides have to be multiples of {self.net.multiple}")
        boxes = boxes if self.config.uses_boxes else ()
        shares = [(box[0] / width, box[1] / height, box[2] / width, box[3] / height) for box in boxes]
        parts = [ExamplePart(text, box) for text, box in zip(texts, shares or [WHOLE] * len(texts), strict=True)]
        source = pixels_of([np.asarray(image.convert("RGB"))]).to(self.device)
        words = {"words": self.net.config.words, "vocabulary": self.net.config.vocabulary}
        known = {name: value.to(self.device) for name, value in conditions([parts], **words).items()}
        steps = num_inference_steps or self.config.sampling_steps
        generator = generator or torch.Generator().manual_seed(0)
        found = self._drawn(source, known, steps=steps, noise=torch.randn(source.shape, generator=generator))
        pixels = found[0].add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0)
        return Pillow.fromarray(pixels.cpu().numpy())

    def _drawn(self, source: Tensor, known: Mapping[str, Tensor], *, steps: int, noise: Tensor) -> Tensor:
        """From noise to a picture along straight lines, in `steps` steps of Euler."""
        drawn = noise.to(source.device)
        times = torch.linspace(1, 0, steps + 1, device=source.device)
        for now, then in pairwise(times):
            aim = self.net(drawn, source, now.expand(len(source)), known["tokens"], known["boxes"])
            drawn = drawn + (then - now) * (drawn - aim) / now
        return drawn
