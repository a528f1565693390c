"""Detectors: find the boxes of what phrases name in a picture."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.detectors.grounding_dino import GroundingDinoConfig
from datagen.models.detectors.original_grounding_dino import OriginalGroundingDinoConfig
from datagen.models.detectors.sam3 import Sam3DetectorConfig

DetectorConfig = Annotated[
    GroundingDinoConfig | OriginalGroundingDinoConfig | Sam3DetectorConfig, pydantic.Field(discriminator="kind")
]
"""Every kind of detector; `kind` selects one."""
