"""Box proposers: candidates for the box of an edit."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.box_proposers.detector import DetectorProposerConfig
from datagen.models.box_proposers.grounder import GrounderProposerConfig
from datagen.models.box_proposers.parts import PartsProposerConfig

BoxProposerConfig = Annotated[
    PartsProposerConfig | DetectorProposerConfig | GrounderProposerConfig, pydantic.Field(discriminator="kind")
]
"""Every kind of box proposer; `kind` selects one."""
