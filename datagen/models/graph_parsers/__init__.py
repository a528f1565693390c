"""Graph parsers: they turn captions into scene graphs."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.graph_parsers.language import LanguageGraphParserConfig
from datagen.models.graph_parsers.rules import RulesGraphParserConfig

GraphParserConfig = Annotated[RulesGraphParserConfig | LanguageGraphParserConfig, pydantic.Field(discriminator="kind")]
"""Every kind of parser, selected by `kind`."""
