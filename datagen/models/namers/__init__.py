"""Subject namers: they name a cut-out subject."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.namers.label import LabelConfig
from datagen.models.namers.language import LanguageNamerConfig

SubjectNamerConfig = Annotated[LabelConfig | LanguageNamerConfig, pydantic.Field(discriminator="kind")]
"""Every kind of namer, selected by `kind`."""
