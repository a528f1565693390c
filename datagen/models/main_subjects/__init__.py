"""Main-subject judges: they decide whether an edit changes the main subject of a picture."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.main_subjects.language import LanguageMainSubjectConfig
from datagen.models.main_subjects.rules import RulesMainSubjectConfig

MainSubjectJudgeConfig = Annotated[
    RulesMainSubjectConfig | LanguageMainSubjectConfig, pydantic.Field(discriminator="kind")
]
"""Every kind of judge, selected by `kind`."""
