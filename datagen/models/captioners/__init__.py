"""Captioners: they describe a picture in one sentence."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.captioners.given import GivenConfig
from datagen.models.captioners.language import LanguageCaptionerConfig

CaptionerConfig = Annotated[GivenConfig | LanguageCaptionerConfig, pydantic.Field(discriminator="kind")]
"""Every kind of captioner, selected by `kind`."""
