"""MCIE's two attentions (arXiv:2602.07993, section 3.2) as a component beside a stock U-Net.

*Spatial-aware* cross-attention binds each sub-instruction to its box: equations 3 to 8. *Background-consistent*
cross-attention shows the source to what lies in no box: equations 9 to 11. Both take the place of the U-Net's
cross-attentions; what they learn, besides the U-Net's own weights, is in one `MCIEGuidance`.

As printed, equations 7 and 10 cannot mask: a softmax ignores what is the same for all keys, so that a pixel outside of
a box sees the mean of all values. Here all sub-instructions share one softmax, with what a pixel does not lie in
hidden from it. `masking`, `schedule` and `background` choose between this and the letter of the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from diffusers import UNet2DConditionModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.embeddings import IPAdapterPlusImageProjection
from diffusers.models.modeling_utils import ModelMixin  # `from_pretrained` looks for this name in this module
from torch import Tensor, nn
from torch.nn import functional

from datagen.train.models.boxes import box_cells, cells_at_level

__all__ = ["MCIEGuidance", "ModelMixin"]

_HIDDEN = -1e4
_LEAST_OPEN = 1e-4
"""What a pixel outside of a box still sees of its sub-instruction at full strength: a logarithm of 0 is infinite."""
_HEAD = 64
"""Width of an attention head in the resamplers."""


class Place(NamedTuple):
    """What the attentions need to know of a batch in one step of denoising."""

    inside: Tensor
    """B,m,h,w: 1 in the cells of the latent that a sub-instruction's box covers."""
    there: Tensor
    """B,m: 1 for a sub-instruction, 0 for what fills up the batch."""
    strength: Tensor
    """B: how strictly a box binds, 0 to 1 (equation 8)."""
    background: Tensor | None
    """B,q,c: what the resampler made of the source."""


def strength_at(times: Tensor, schedule: str) -> Tensor:
    """How strictly boxes bind at a time, 0 (a picture) to 1 (noise): equation 8, B to B.

    `early` is what the paper's prose says: strict while the layout is decided. `literal` is the formula with t as the
    time of the noise, which is strict late. `none` is always strict.
    """
    if schedule == "none":
        return torch.ones_like(times)
    return torch.exp(-times) if schedule == "literal" else torch.exp(times - 1)


class MCIEGuidance(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Encodes boxes and the source, and gives each cross-attention of a U-Net its keys and values of the background."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        widths: Sequence[int] = (),
        text_width: int = 768,
        image_width: int = 1024,
        bands: int = 8,
        box_queries: int = 2,
        box_depth: int = 2,
        background_queries: int = 16,
        background_depth: int = 4,
        masking: str = "one_softmax",  # noqa: ARG002 - `register_to_config` keeps it
        schedule: str = "early",  # noqa: ARG002
        background: str = "outside",
    ) -> None:
        """`widths` are those of the U-Net's cross-attentions, in its order; queries and depths are the paper's."""
        super().__init__()
        heads = max(1, text_width // _HEAD)
        common = {"output_dims": text_width, "hidden_dims": text_width, "heads": heads, "dim_head": text_width // heads}
        self.boxes = IPAdapterPlusImageProjection(
            embed_dims=8 * bands, depth=box_depth, num_queries=box_queries, **common
        )
        self.source = None
        self.background_keys = nn.ModuleList()
        self.background_values = nn.ModuleList()
        if background != "none":
            self.source = IPAdapterPlusImageProjection(
                embed_dims=image_width, depth=background_depth, num_queries=background_queries, **common
            )
            self.background_keys = nn.ModuleList(nn.Linear(text_width, width, bias=False) for width in widths)
            self.background_values = nn.ModuleList(nn.Linear(text_width, width, bias=False) for width in widths)
        self.foreground = nn.Parameter(torch.ones(len(widths)))
        """λ of equation 11 of each cross-attention. At 1 the background adds nothing: training begins there."""

    @classmethod
    def of(cls, unet: UNet2DConditionModel, **options: Any) -> MCIEGuidance:
        """One with random weights for a U-Net."""
        widths = [unet.get_submodule(name).to_q.out_features for name in cross_attentions(unet)]
        guidance: MCIEGuidance = cls(widths=widths, text_width=unet.config.cross_attention_dim, **options)
        return guidance

    def attach(self, unet: UNet2DConditionModel) -> None:
        """Take over the cross-attentions of a U-Net. Called without a `place` it computes what it did before.

        Raises `ValueError` if it was made for another U-Net.
        """
        names = cross_attentions(unet)
        widths = [unet.get_submodule(name).to_q.out_features for name in names]
        if widths != list(self.config.widths):
            raise ValueError(
                f"the U-Net's cross-attentions are {widths} wide, those of the guidance {self.config.widths}"
            )
        for number, name in enumerate(names):
            unet.get_submodule(name).set_processor(PlacedAttention(self, number))
        for name in unet.attn_processors:
            if name.endswith("attn1.processor"):
                unet.get_submodule(name.removesuffix(".processor")).set_processor(SelfAttention())

    def contexts(self, text: Tensor, boxes: Tensor) -> Tensor:
        """Keys of all sub-instructions, equation 6: words B,m+1,L,c and boxes B,m,4 (0 to 1) to B,(m+1)·(L+q),c.

        The first of the m+1 is the whole instruction, which has no box.
        """
        batch, number = boxes.shape[:2]
        placed = self.boxes(fourier(boxes, self.config.bands).reshape(batch * number, 1, -1))
        placed = placed.view(batch, number, *placed.shape[1:])
        nowhere = placed.new_zeros(batch, 1, *placed.shape[2:])
        return torch.cat([text, torch.cat([nowhere, placed], dim=1).to(text.dtype)], dim=2).flatten(1, 2)

    def place(
        self, boxes: Tensor, there: Tensor, times: Tensor, features: Tensor | None, *, size: tuple[int, int]
    ) -> Place:
        """What the attentions need to know: boxes B,m,4, which of them are there B,m, times B, and the source B,L,v.

        `size` is the height and width of the latent; the source is looked at only if there is a background.
        """
        return Place(
            box_cells(boxes, *size) * there[..., None, None],
            there,
            strength_at(times, self.config.schedule),
            self.source(features) if self.source is not None and features is not None else None,
        )


def fourier(boxes: Tensor, bands: int) -> Tensor:
    """Equation 5: sine and cosine of 2π times each edge, at 2^0 to 2^(bands-1) turns: B,m,4 to B,m,8·bands.

    The paper leaves the frequencies open. These tell apart what differs by a 2^bands-th of the picture.
    """
    turns = 2 * math.pi * 2.0 ** torch.arange(bands, device=boxes.device, dtype=boxes.dtype)
    angles = (boxes[..., None] * turns).flatten(2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def cross_attentions(unet: UNet2DConditionModel) -> list[str]:
    """The names of a U-Net's cross-attentions, in its order."""
    return [name.removesuffix(".processor") for name in unet.attn_processors if name.endswith("attn2.processor")]


class SelfAttention(AttnProcessor2_0):  # type: ignore[misc]
    """diffusers' own, which takes no `place`."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        *_: Any,
        place: Place | None = None,  # noqa: ARG002 - named here, so that diffusers does not warn of it
        **__: Any,
    ) -> Tensor:
        """Hidden states B,N,c to the same shape."""
        found: Tensor = super().__call__(attn, hidden_states)
        return found


class PlacedAttention:
    """A cross-attention of the U-Net, with each sub-instruction in its box and the source outside."""

    def __init__(self, guidance: MCIEGuidance, number: int) -> None:
        self._guidance = guidance
        self._number = number

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,  # noqa: ARG002 - as diffusers calls it
        temb: Tensor | None = None,  # noqa: ARG002
        place: Place | None = None,
    ) -> Tensor:
        """Hidden states B,N,c and keys B,(m+1)·L,c; diffusers drops arguments that are not named here."""
        keys = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = _heads(attn.to_q(hidden_states), attn.heads)
        key, value = _heads(attn.to_k(keys), attn.heads), _heads(attn.to_v(keys), attn.heads)
        if place is None:
            found = functional.scaled_dot_product_attention(query, key, value)
        else:
            inside = cells_at_level(place.inside, hidden_states.shape[1]).flatten(2).transpose(1, 2)
            found = self._foreground(query, key, value, inside, place)
            if place.background is not None:
                found = self._mixed(query, found, inside, place.background)
        joined: Tensor = attn.to_out[1](attn.to_out[0](found.transpose(1, 2).flatten(2))) / attn.rescale_output_factor
        return joined

    def _foreground(self, query: Tensor, key: Tensor, value: Tensor, inside: Tensor, place: Place) -> Tensor:
        """B,heads,N,d: what the sub-instructions say of each pixel; `inside` is B,N,m."""
        length = key.shape[2] // (inside.shape[2] + 1)
        strength = place.strength.view(-1, 1, 1).to(query.dtype)
        absent = (1 - place.there.to(query.dtype))[:, None]
        if self._guidance.config.masking == "one_softmax":
            nowhere = 1 - inside.amax(dim=-1, keepdim=True)
            sees = torch.cat([nowhere, inside], dim=-1).to(query.dtype)
            bias = (sees + (1 - sees) * (1 - strength)).clamp_min(_LEAST_OPEN).log()
            bias = bias + functional.pad(absent, (1, 0)) * _HIDDEN
            mask = bias.repeat_interleave(length, dim=-1)[:, None]
            mask[..., length - self._guidance.config.box_queries : length] = _HIDDEN  # the whole has no box
            bound: Tensor = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            return bound
        # Equation 7 to the letter: a softmax for each sub-instruction, of products that its mask is multiplied with.
        # How the paper joins what they find is not said: the mean is taken. Without a sub-instruction it is slot 0.
        products = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
        masks = torch.cat([torch.ones_like(inside[..., :1]), inside.to(query.dtype) * strength], dim=-1)
        products = products.reshape(*products.shape[:3], -1, length) * masks[:, None, ..., None]
        products[..., 0, length - self._guidance.config.box_queries :] = _HIDDEN
        shares = products.softmax(dim=-1)
        weights = torch.cat([(absent.sum(-1) == absent.shape[-1]).to(query.dtype)[..., None], 1 - absent], dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        joined: Tensor = (shares * weights[:, None, ..., None]).flatten(3) @ value
        return joined

    def _mixed(self, query: Tensor, found: Tensor, inside: Tensor, background: Tensor) -> Tensor:
        """Equations 10 and 11, outside of all boxes; to the letter of the paper everywhere."""
        heads, number = query.shape[1], self._number
        key, value = (
            _heads(layers[number](background.to(query.dtype)), heads)
            for layers in (self._guidance.background_keys, self._guidance.background_values)
        )
        outside = (1 - inside.amax(dim=-1)).to(query.dtype)[:, None, :, None]
        weight = self._guidance.foreground[number]
        share = (weight + (weight.clamp(0, 1) - weight).detach()).to(query.dtype)  # in its range, yet always learning
        if self._guidance.config.background == "literal":
            products = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1]) * outside
            return share * found + (1 - share) * products.softmax(dim=-1) @ value
        seen = functional.scaled_dot_product_attention(query, key, value)
        return found + (1 - share) * outside * (seen - found)


def _heads(values: Tensor, heads: int) -> Tensor:
    """B,N,c to B,heads,N,c/heads."""
    return values.view(*values.shape[:2], heads, -1).transpose(1, 2)
