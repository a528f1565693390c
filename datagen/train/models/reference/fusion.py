"""Tokens of a picture: what it shows, by which its details are looked up (MIGE, section 3.2).

f_img = f_s + MLP(Attn(f_s, f_v)). f_s is what the Q-Former makes of a vision transformer's features; f_v is the
autoencoder's latent after the diffusion transformer's own patch embedding. Q is linear, K and V have two layers. The
paper leaves out heads, softmax and norms; here are 8 heads, a softmax, and LayerNorm on queries, keys, values and what
the attention gives. The last layer of the MLP begins as zero, as in the paper, so that training begins with f_s.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin  # `from_pretrained` looks for this name in this module
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ModelMixin", "ReferenceFusion"]


class ReferenceFusion(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """The Q-Former's queries, the fusion of its answers with details, and their projection to the language model."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        queries: int = 32,
        width: int = 768,
        detail_width: int = 1152,
        text_width: int = 4096,
        heads: int = 8,  # noqa: ARG002 - diffusers keeps it as `config.heads`
    ) -> None:
        super().__init__()
        self.query_tokens = nn.Parameter(torch.randn(1, queries, width) * 0.02)
        self.to_query = nn.Linear(width, width)
        self.to_key = _two_layers(detail_width, width)
        self.to_value = _two_layers(detail_width, width)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in ("query", "key", "value", "out")})
        last = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), last)
        self.projection = nn.Linear(width, text_width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, semantic: Tensor, details: Tensor) -> Tensor:
        """Tokens for the language model N,Q,text_width; `semantic` is N,Q,width, `details` N,M,detail_width."""
        query = self._heads(self.norms["query"](self.to_query(semantic)))
        key = self._heads(self.norms["key"](self.to_key(details)))
        value = self._heads(self.norms["value"](self.to_value(details)))
        found = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        fused = semantic + self.mlp(self.norms["out"](found))
        tokens: Tensor = self.projection(fused)
        return tokens

    def _heads(self, rows: Tensor) -> Tensor:
        """N,M,width as N,heads,M,width/heads."""
        count, length, width = rows.shape
        heads = int(self.config.heads)
        return rows.view(count, length, heads, width // heads).transpose(1, 2)


def _two_layers(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, out), nn.GELU(), nn.Linear(out, out))
