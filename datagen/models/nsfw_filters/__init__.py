"""NSFW classifiers: how probable it is that a picture is not safe for work."""

from __future__ import annotations

from datagen.models.nsfw_filters.classifier import ImageClassifierConfig

NsfwConfig = ImageClassifierConfig
"""The only kind there is."""
