"""The configs of the sources for subject-driven generation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.sources.base import Source
from datagen.sources.formats.base import ForeignOptions


class Blip3GroundingConfig(ForeignOptions):
    """BLIP3-GROUNDING-50M: addresses of pictures, captions in which places follow names; not verified on real data."""

    kind: Literal["blip3_grounding"] = "blip3_grounding"
    """Parquet files with the columns `uid`, `url` and `captions`."""
    path: str = Field(min_length=1)
    """Address of the folder of the files, or a glob."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.generation.blip3_grounding import Blip3Grounding

        return Blip3Grounding(self.path, license=self.license, credit=self.credit)


class Subjects200kConfig(ForeignOptions):
    """Subjects200K: pictures of two panels that show one object, for `split_panels`; not verified on real data."""

    kind: Literal["subjects200k"] = "subjects200k"
    """Parquet files with the columns `image`, `collection`, `quality_assessment` and `description`."""
    path: str = Field(min_length=1)
    """Address of the dataset's folder, or a glob of its Parquet files."""
    collection: str = ""
    """Which collection, such as collection_2; all, if not given."""
    license: str = "Apache-2.0"
    """Licence of every picture; that of the dataset's card."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.generation.subjects200k import Subjects200k

        return Subjects200k(self.path, collection=self.collection, license=self.license, credit=self.credit)


GENERATION_SOURCES: tuple[type[ForeignOptions], ...] = (Blip3GroundingConfig, Subjects200kConfig)
"""All of them."""
GenerationSources = Blip3GroundingConfig | Subjects200kConfig
"""The same, as a field's type."""
