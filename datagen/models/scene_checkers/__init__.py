"""Scene checkers: they say which atoms of a scene graph a picture shows."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.scene_checkers.flat_colours import FlatColoursConfig
from datagen.models.scene_checkers.grounding_dino import GroundingDinoCheckerConfig
from datagen.models.scene_checkers.language import LanguageSceneCheckerConfig

SceneCheckerConfig = Annotated[
    FlatColoursConfig | GroundingDinoCheckerConfig | LanguageSceneCheckerConfig, pydantic.Field(discriminator="kind")
]
"""Every kind of checker, selected by `kind`."""
