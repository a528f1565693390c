"""Segmenters: which pixels of a box are the object."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.segmenters.annotated import AnnotatedConfig
from datagen.models.segmenters.grabcut import GrabCutConfig
from datagen.models.segmenters.sam import SamConfig
from datagen.models.segmenters.sam2 import Sam2Config, Sam3Config

BoxSegmenterConfig = Annotated[
    GrabCutConfig | SamConfig | Sam2Config | Sam3Config, pydantic.Field(discriminator="kind")
]
"""Segmenters that need a box and nothing else."""


SegmenterConfig = Annotated[
    AnnotatedConfig | GrabCutConfig | SamConfig | Sam2Config | Sam3Config, pydantic.Field(discriminator="kind")
]
"""Every kind of segmenter, told apart by `kind`."""
