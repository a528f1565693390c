"""Critics: they judge what a model wrote and painted, say what is wrong with it, and word what would mend it."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.critics.given import GivenCriticConfig
from datagen.models.critics.language import LanguageCriticConfig

CriticConfig = Annotated[GivenCriticConfig | LanguageCriticConfig, pydantic.Field(discriminator="kind")]
"""Every kind of critic, selected by `kind`."""
