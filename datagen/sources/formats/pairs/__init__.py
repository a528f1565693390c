"""Sources for datasets of edits: pairs of a source and a target picture with an instruction."""

from __future__ import annotations

from datagen.sources.base import ForeignOptions
from datagen.sources.formats.pairs.gier import GierConfig
from datagen.sources.formats.pairs.hq_edit import HqEditConfig
from datagen.sources.formats.pairs.imgedit_turns import ImgEditTurnsConfig
from datagen.sources.formats.pairs.instructpix2pix import InstructPix2PixConfig
from datagen.sources.formats.pairs.magicbrush import MagicBrushConfig
from datagen.sources.formats.pairs.seed_edit_turns import SeedEditPart23Config
from datagen.sources.formats.pairs.ultraedit import UltraEditConfig

PairSources = (
    InstructPix2PixConfig
    | UltraEditConfig
    | MagicBrushConfig
    | HqEditConfig
    | SeedEditPart23Config
    | GierConfig
    | ImgEditTurnsConfig
)
"""The type of a config field for one of them."""
PAIR_SOURCES: tuple[type[ForeignOptions], ...] = (
    InstructPix2PixConfig, UltraEditConfig, MagicBrushConfig, HqEditConfig, SeedEditPart23Config, GierConfig,
    ImgEditTurnsConfig,
)  # fmt: skip
"""All their configs."""
