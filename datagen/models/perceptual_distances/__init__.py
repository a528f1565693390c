"""Perceptual distances of two pictures."""

from __future__ import annotations

from datagen.models.perceptual_distances.lpips import LpipsConfig

PerceptualDistanceConfig = LpipsConfig
"""Every kind of perceptual distance."""
