"""Families of models: each says what it needs of a sample, how it learns, and how it becomes a pipeline."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.train.models.lora.options import KleinWeights, LoraConfig, LoraOptions
from datagen.train.models.small import SmallConfig

FAMILIES = (SmallConfig, LoraConfig)
FamilyConfig = Annotated[SmallConfig | LoraConfig, pydantic.Field(discriminator="kind")]
PARTS = (KleinWeights, LoraOptions)
"""Options that families have in common or nested, for the reference."""
