"""NSFW classifiers: the probability that a picture is not safe for work."""

from __future__ import annotations

from datagen.models.nsfw_filters.classifier import ImageClassifierConfig

NsfwConfig = ImageClassifierConfig
"""So far there is one kind."""
