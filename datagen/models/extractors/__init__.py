"""Subject extractors: they extract the new subject from an instruction."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.extractors.language import LanguageExtractorConfig
from datagen.models.extractors.rules import RulesExtractorConfig

SubjectExtractorConfig = Annotated[RulesExtractorConfig | LanguageExtractorConfig, pydantic.Field(discriminator="kind")]
"""Every kind of extractor, selected by `kind`."""
