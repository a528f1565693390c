"""The text encoder for the `groundingdino` package.

It has a module of its own because it subclasses a transformers class, which needs transformers at import.
"""

from __future__ import annotations

from typing import Any

import torch
import transformers


class GroundingDinoBert(transformers.BertModel):  # type: ignore[no-untyped-call]
    """BERT with the `forward` that the package calls."""

    def forward(self, *, attention_mask: torch.Tensor, **inputs: Any) -> Any:
        """`attention_mask` is batch x tokens x tokens; transformers wants an axis for the heads in it."""
        return super().forward(attention_mask=attention_mask[:, None], **inputs)
