"""Session judges: they say which turns of an editing session undo, repeat or rely on each other."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.session_judges.language import LanguageSessionJudgeConfig
from datagen.models.session_judges.rules import RulesSessionJudgeConfig

SessionJudgeConfig = Annotated[
    RulesSessionJudgeConfig | LanguageSessionJudgeConfig, pydantic.Field(discriminator="kind")
]
"""Every kind of judge, selected by `kind`."""
