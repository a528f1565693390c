"""Sources for subject-driven generation: pictures with grounded captions, and pairs of pictures of one object."""

from __future__ import annotations

from datagen.sources.base import ForeignOptions
from datagen.sources.formats.generation.blip3_grounding import Blip3GroundingConfig
from datagen.sources.formats.generation.subjects200k import Subjects200kConfig

GenerationSources = Blip3GroundingConfig | Subjects200kConfig
"""The type of a config field for one of them."""
GENERATION_SOURCES: tuple[type[ForeignOptions], ...] = (Blip3GroundingConfig, Subjects200kConfig)
"""All their configs."""
