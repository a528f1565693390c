"""Step judges: they say of each step of a plan whether its picture is as it should be then."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.step_judges.language import LanguageStepJudgeConfig
from datagen.models.step_judges.scene import SceneStepJudgeConfig

StepJudgeConfig = Annotated[SceneStepJudgeConfig | LanguageStepJudgeConfig, pydantic.Field(discriminator="kind")]
"""Every kind of judge, selected by `kind`."""
