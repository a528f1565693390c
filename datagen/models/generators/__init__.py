"""Text-to-image generators: make a picture from a caption."""

from __future__ import annotations

from datagen.models.generators.diffusion import DiffusersTextToImageConfig

TextToImageConfig = DiffusersTextToImageConfig
"""So far there is one kind."""
