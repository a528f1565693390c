"""Families of models: each says what it needs of a sample, how it learns, and how it becomes a pipeline."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.train.models.ip2p import Ip2pConfig
from datagen.train.models.lora.options import KleinWeights, LoraConfig, LoraOptions
from datagen.train.models.mcie.options import MCIEConfig, SourceEncoderConfig
from datagen.train.models.reference.options import NewTransformer, PretrainedPart, QFormerOptions, ReferenceConfig
from datagen.train.models.small import SmallConfig

FAMILIES = (SmallConfig, Ip2pConfig, MCIEConfig, LoraConfig, ReferenceConfig)
FamilyConfig = Annotated[
    SmallConfig | Ip2pConfig | MCIEConfig | LoraConfig | ReferenceConfig, pydantic.Field(discriminator="kind")
]
PARTS = (SourceEncoderConfig, KleinWeights, LoraOptions, PretrainedPart, NewTransformer, QFormerOptions)
"""Options that families have in common or nested, for the reference."""
