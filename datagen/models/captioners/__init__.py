"""Captioners: one sentence that says what a picture shows."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.captioners.given import GivenConfig
from datagen.models.captioners.language import LanguageCaptionerConfig

CaptionerConfig = Annotated[GivenConfig | LanguageCaptionerConfig, pydantic.Field(discriminator="kind")]
"""Every kind of captioner, told apart by `kind`."""
