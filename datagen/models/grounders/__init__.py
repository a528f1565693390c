"""Grounders: they find boxes for phrases with a vision-language model."""

from __future__ import annotations

from datagen.models.grounders.language import BoxAskerConfig

__all__ = ["BoxAskerConfig"]
