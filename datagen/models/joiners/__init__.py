"""Instruction joiners: they make one instruction of several."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.joiners.language import LanguageJoinerConfig
from datagen.models.joiners.sentences import SentencesJoinerConfig

JoinerConfig = Annotated[SentencesJoinerConfig | LanguageJoinerConfig, pydantic.Field(discriminator="kind")]
"""Every kind of joiner, selected by `kind`."""
