"""Entity finders: they find the objects that a caption names, and their boxes."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.entity_finders.boxes import BoxesConfig
from datagen.models.entity_finders.language import LanguageFinderConfig

EntityFinderConfig = Annotated[BoxesConfig | LanguageFinderConfig, pydantic.Field(discriminator="kind")]
"""Every kind of finder, selected by `kind`."""
