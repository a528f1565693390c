"""Entity finders: the things that a caption names, and where they are."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.entity_finders.boxes import BoxesConfig
from datagen.models.entity_finders.language import LanguageFinderConfig

EntityFinderConfig = Annotated[BoxesConfig | LanguageFinderConfig, pydantic.Field(discriminator="kind")]
"""Every kind of finder, told apart by `kind`."""
