"""Editors: edit a picture by an instruction."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.editors.diffusion import DiffusersEditorConfig
from datagen.models.editors.rules import RulesEditorConfig

EditorConfig = Annotated[RulesEditorConfig | DiffusersEditorConfig, pydantic.Field(discriminator="kind")]
