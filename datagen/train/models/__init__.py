"""Families of models: each says what it needs of a sample, how it learns, and how it becomes a pipeline."""

from __future__ import annotations

from datagen.train.models.small import SmallConfig

FAMILIES = (SmallConfig,)
FamilyConfig = SmallConfig
