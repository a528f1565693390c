"""The union of the configs of all sources, which a pipeline's config uses.

A config lies beside its reader. A new source is one file, and its config in `SourceConfig` and `SOURCES`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from datagen.core.options import Options
from datagen.sources.drawn.scenes import ScenesConfig
from datagen.sources.drawn.world import WorldConfig
from datagen.sources.formats.coco import CocoConfig
from datagen.sources.formats.generation import GENERATION_SOURCES, GenerationSources
from datagen.sources.formats.mix.config import MixConfig
from datagen.sources.formats.outputs import OUTPUT_SOURCES, OutputSources
from datagen.sources.formats.pairs import PAIR_SOURCES, PairSources
from datagen.sources.formats.sa1b import Sa1bConfig
from datagen.sources.formats.seed_edit import SeedEditPart1Config
from datagen.sources.formats.try_on import TryOnConfig
from datagen.sources.huggingface import HuggingFaceConfig
from datagen.sources.images import ImagesConfig
from datagen.sources.manifest import ManifestConfig
from datagen.sources.prompts import PromptsConfig
from datagen.sources.reviewed import ReviewedConfig
from datagen.sources.sessions import SessionsConfig
from datagen.sources.tables import PairsConfig
from datagen.sources.webdataset import WebDatasetConfig

SourceConfig = Annotated[
    ManifestConfig
    | ImagesConfig
    | Sa1bConfig
    | WebDatasetConfig
    | HuggingFaceConfig
    | CocoConfig
    | PairsConfig
    | SessionsConfig
    | PromptsConfig
    | SeedEditPart1Config
    | TryOnConfig
    | PairSources
    | GenerationSources
    | OutputSources
    | ReviewedConfig
    | MixConfig
    | WorldConfig
    | ScenesConfig,
    Field(discriminator="kind"),
]


class AnySource(Options):
    """A source by itself, as commands take one."""

    source: SourceConfig
    """The source."""


SOURCES: tuple[type[Options], ...] = (
    ManifestConfig, ImagesConfig, Sa1bConfig, WebDatasetConfig, HuggingFaceConfig, CocoConfig,
    PairsConfig, SessionsConfig, PromptsConfig, SeedEditPart1Config, TryOnConfig, *PAIR_SOURCES,
    *GENERATION_SOURCES, *OUTPUT_SOURCES, ReviewedConfig, MixConfig, WorldConfig, ScenesConfig,
)  # fmt: skip
"""All of them, in the order in which `describe` lists them."""
