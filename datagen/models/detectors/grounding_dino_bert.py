"""The text encoder that `groundingdino` is given: the one module of this role that needs transformers at its top."""

from __future__ import annotations

from typing import Any

import torch
import transformers


class GroundingDinoBert(transformers.BertModel):  # type: ignore[no-untyped-call]
    """BERT, called as the package calls it."""

    def forward(self, *, attention_mask: torch.Tensor, **inputs: Any) -> Any:
        """`attention_mask` is batch x tokens x tokens; transformers wants one for all heads."""
        return super().forward(attention_mask=attention_mask[:, None], **inputs)
