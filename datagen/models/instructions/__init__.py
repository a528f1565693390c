"""Instruction writers: they describe an edit in words."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.instructions.language import LanguageWriterConfig
from datagen.models.instructions.rules import RulesConfig

InstructionWriterConfig = Annotated[RulesConfig | LanguageWriterConfig, pydantic.Field(discriminator="kind")]
"""Every kind of writer, selected by `kind`."""
