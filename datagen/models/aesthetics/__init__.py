"""Aesthetic predictors: predict how much people like a picture."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.aesthetics.predictor import AestheticV25Config, LaionV1Config, LaionV2Config

PredictorConfig = Annotated[LaionV1Config | LaionV2Config | AestheticV25Config, pydantic.Field(discriminator="kind")]
"""Every kind of predictor; `kind` selects one."""
