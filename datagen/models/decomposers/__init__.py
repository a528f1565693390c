"""Instruction decomposers: they say what an instruction does, to what, and what it relies on."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.decomposers.language import LanguageDecomposerConfig
from datagen.models.decomposers.rules import RulesDecomposerConfig

DecomposerConfig = Annotated[RulesDecomposerConfig | LanguageDecomposerConfig, pydantic.Field(discriminator="kind")]
"""Every kind of decomposer, selected by `kind`."""
