"""Image-text scorers: how well a picture and a text match."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.scorers.clip import ClipConfig, Siglip2Config
from datagen.models.scorers.open_clip import OpenClipConfig

ScorerConfig = Annotated[ClipConfig | Siglip2Config | OpenClipConfig, pydantic.Field(discriminator="kind")]
"""Every kind of scorer; `kind` selects one."""
