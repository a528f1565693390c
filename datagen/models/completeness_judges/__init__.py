"""Completeness judges: they decide whether a cut-out subject is a whole object."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.completeness_judges.geometry import GeometryConfig
from datagen.models.completeness_judges.language import LanguageCompletenessConfig

CompletenessJudgeConfig = Annotated[GeometryConfig | LanguageCompletenessConfig, pydantic.Field(discriminator="kind")]
"""Every kind of judge, selected by `kind`."""
