"""Specifications of drawn sessions, for tests."""

from __future__ import annotations

from typing import Any

from datagen.worlds.photographs import own_photographs
from datagen.worlds.script import PLOTS
from datagen.worlds.specification import WorldSpecification


def specification(session: int = 0, **options: Any) -> WorldSpecification:
    """Of one session, over one of datagen's own photographs."""
    backgrounds = own_photographs().backgrounds(options.get("split", "tuned"))
    background = backgrounds[session % len(backgrounds)].model_copy(update={"object": ()})
    return WorldSpecification(**{"session": session, "background": background, **options})


def of_plot(plot: str, *, round: int = 0, **options: Any) -> WorldSpecification:
    """Of a session with a plot."""
    return specification(list(PLOTS).index(plot) + round * len(PLOTS), **options)
