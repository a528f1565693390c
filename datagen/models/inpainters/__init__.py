"""Inpainters: fill the masked pixels of a picture with background."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.inpainters.diffusion import DiffusersInpainterConfig
from datagen.models.inpainters.lama import LamaConfig
from datagen.models.inpainters.patch import PatchConfig
from datagen.models.inpainters.telea import TeleaConfig

InpainterConfig = Annotated[
    PatchConfig | TeleaConfig | LamaConfig | DiffusersInpainterConfig, pydantic.Field(discriminator="kind")
]
