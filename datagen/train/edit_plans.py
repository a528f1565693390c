"""Plan the single edits of a complex instruction before a trained model makes them, as `edit --planner` does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from datagen.core.errors import ConfigError, DataError, nearest
from datagen.core.redact import register_variables, variables_named_in
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.edit_planners import EDIT_PLANNERS, EditPlannerConfig
from datagen.models.edit_planners.base import PlannedEdit
from datagen.models.edit_planners.rules import RulesEditPlannerConfig
from datagen.pipeline.config import refuse_secrets, validated
from datagen.pipeline.validation_errors import in_yaml
from datagen.pipeline.yaml_file import read_yaml
from datagen.train.models.family import Family


def load_planner(name: str) -> EditPlannerConfig:
    """A planner's options from a YAML file, or those of `rules`. Raises `ConfigError` that names the line."""
    if name == "rules":
        return RulesEditPlannerConfig()
    located = read_yaml(Path(name))
    register_variables(variables_named_in(located.data))
    refuse_secrets(located)
    kinds: dict[str, Any] = {str(each.model_fields["kind"].default): each for each in EDIT_PLANNERS}
    kind = located.data.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        hint = nearest(str(kind or ""), kinds)
        raise ConfigError(f"{located.origin(('kind',))}: 'kind' of a planner is {in_yaml(kind)}; {hint}")
    planner: EditPlannerConfig = validated(kinds[kind], located, ())
    return planner


def plan_edits(config: EditPlannerConfig, picture: bytes, instruction: str, *, family: Family) -> list[PlannedEdit]:
    """The single edits of an instruction for a picture file and a model of this family, at least one.

    Raises `ConfigError` if there is nothing to plan, `DataError` if there is no plan, and as `LanguageModel` does.
    """
    most = family.needs().most_edits
    if most is None:
        raise ConfigError(f"a model of the family '{family.kind}' takes an instruction as a whole: leave out --planner")
    if not instruction.strip():
        raise ConfigError("the instruction is empty: there is nothing to plan")
    image = Image.decode(picture)

    async def planned() -> list[PlannedEdit]:
        planner = config.load("cpu", runtime=Runtime())
        try:
            return await planner.plan(image, instruction, most=most)
        finally:
            await planner.close()

    try:
        return asyncio.run(planned())
    except DataError as error:
        remedy = "without --planner, each edit and its --box can be given by hand"
        raise DataError(f"there is no plan: {error}; {remedy}") from error
