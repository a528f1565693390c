"""Picture hashers: hashes of similar pictures differ in few bits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from datagen.core.options import Options
from datagen.models.hashers.embedding import EmbeddingHashConfig
from datagen.models.hashers.phash import PhashConfig

HasherConfig = Annotated[PhashConfig | EmbeddingHashConfig, Field(discriminator="kind")]
"""Every kind of hasher; `kind` selects one."""


class HasherOptions(Options):
    """The options of a hasher that is used outside of a stage, by `python -m datagen hashes`."""

    hasher: HasherConfig
    """What makes the hashes."""
