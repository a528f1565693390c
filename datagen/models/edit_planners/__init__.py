"""Edit planners: they say which single edits an instruction asks for, and where each applies."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.edit_planners.language import LanguageEditPlannerConfig
from datagen.models.edit_planners.rules import RulesEditPlannerConfig

EDIT_PLANNERS = (RulesEditPlannerConfig, LanguageEditPlannerConfig)
EditPlannerConfig = Annotated[RulesEditPlannerConfig | LanguageEditPlannerConfig, pydantic.Field(discriminator="kind")]
"""Every kind of edit planner, selected by `kind`."""
