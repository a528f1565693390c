"""Picture hashers: similar pictures differ in few bits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from datagen.core.options import Options
from datagen.models.hashers.embedding import EmbeddingHashConfig
from datagen.models.hashers.phash import PhashConfig

HasherConfig = Annotated[PhashConfig | EmbeddingHashConfig, Field(discriminator="kind")]
"""Every kind of hasher, told apart by `kind`."""


class HasherOptions(Options):
    """A hasher that is named outside a stage."""

    hasher: HasherConfig
    """What makes the hashes."""
