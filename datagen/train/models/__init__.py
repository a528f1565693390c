"""Families of models: each says what it needs of a sample, how it learns, and how it becomes a pipeline."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.train.models.ip2p import Ip2pConfig
from datagen.train.models.mcie.options import MCIEConfig
from datagen.train.models.small import SmallConfig

FAMILIES = (SmallConfig, Ip2pConfig, MCIEConfig)
FamilyConfig = Annotated[SmallConfig | Ip2pConfig | MCIEConfig, pydantic.Field(discriminator="kind")]
