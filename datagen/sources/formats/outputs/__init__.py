"""Sources of what models wrote and painted, to be judged: a user's own generations, and GenRef."""

from __future__ import annotations

from datagen.sources.base import ForeignOptions
from datagen.sources.formats.outputs.generations import GenerationsConfig
from datagen.sources.formats.outputs.genref import GenRefConfig

OutputSources = GenerationsConfig | GenRefConfig
"""The type of a config field for one of them."""
OUTPUT_SOURCES: tuple[type[ForeignOptions], ...] = (GenerationsConfig, GenRefConfig)
"""All their configs."""
