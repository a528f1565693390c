"""Segmenters: find the pixels of the object in a box."""

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
"""The kinds of segmenters that need a box and nothing else; `kind` selects one."""


SegmenterConfig = Annotated[
    AnnotatedConfig | GrabCutConfig | SamConfig | Sam2Config | Sam3Config, pydantic.Field(discriminator="kind")
]
"""Every kind of segmenter; `kind` selects one."""
