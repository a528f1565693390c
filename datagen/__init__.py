"""datagen builds training sets for instruction-based image editing.

This is what stages and readers import; each name is loaded when it is first
asked for, so that `import datagen` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datagen.core.errors import ConfigError, DataError, DatagenError, SetupError, StoreError
    from datagen.core.fields import Box, Field, Polygon
    from datagen.core.record import Record
    from datagen.core.stage import (
        Answer,
        AsyncMap,
        Children,
        Combine,
        Expand,
        Failed,
        Filter,
        Joined,
        Lost,
        Map,
        Merged,
        Reject,
        Stage,
        StageConfig,
        Threshold,
    )
    from datagen.imaging.image import Image
    from datagen.shards.reader import open_dataset as open

_HOMES = {
    "datagen.core.errors": ("ConfigError", "DataError", "DatagenError", "SetupError", "StoreError"),
    "datagen.core.fields": ("Box", "Field", "Polygon"),
    "datagen.imaging.image": ("Image",),
    "datagen.core.record": ("Record",),
    "datagen.core.stage": (
        *("Answer", "AsyncMap", "Children", "Combine", "Expand", "Failed", "Filter", "Joined", "Lost"),
        *("Map", "Merged", "Reject", "Stage", "StageConfig", "Threshold"),
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Answer", "AsyncMap", "Box", "Children", "Combine", "ConfigError", "DataError", "DatagenError",
    "Expand", "Failed", "Field", "Filter", "Image", "Joined", "Lost", "Map", "Merged", "Polygon", "Record", "Reject",
    "SetupError", "Stage", "StageConfig", "StoreError", "Threshold", "open",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "open":
        return import_module("datagen.shards.reader").open_dataset
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'datagen' has no attribute '{name}'")
