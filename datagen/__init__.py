"""datagen builds training sets for instruction-based image editing.

Stages, plugins and programs that read datasets import their names from here. A name's module is imported on the first
use of the name, so that `import datagen` takes no time. `dir(datagen)` lists all public names, used or not.
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

_MODULES = {
    "datagen.core.errors": ("ConfigError", "DataError", "DatagenError", "SetupError", "StoreError"),
    "datagen.core.fields": ("Box", "Field", "Polygon"),
    "datagen.imaging.image": ("Image",),
    "datagen.core.record": ("Record",),
    "datagen.core.stage": (
        *("Answer", "AsyncMap", "Children", "Combine", "Expand", "Failed", "Filter", "Joined", "Lost"),
        *("Map", "Merged", "Reject", "Stage", "StageConfig", "Threshold"),
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Answer", "AsyncMap", "Box", "Children", "Combine", "ConfigError", "DataError", "DatagenError",
    "Expand", "Failed", "Field", "Filter", "Image", "Joined", "Lost", "Map", "Merged", "Polygon", "Record", "Reject",
    "SetupError", "Stage", "StageConfig", "StoreError", "Threshold", "open",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "open":
        return import_module("datagen.shards.reader").open_dataset
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'datagen' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
