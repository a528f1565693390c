"""datagen builds training sets for instruction-based image editing."""

from datagen.errors import ConfigError, DataError, DatagenError, SetupError, StoreError
from datagen.fields import Box, Field, Polygon
from datagen.record import Record
from datagen.stage import (
    Answer,
    AsyncMap,
    Children,
    Combine,
    Expand,
    Failed,
    Joined,
    Lost,
    Map,
    Merged,
    Reject,
    Stage,
    StageConfig,
)

__all__ = [
    "Answer",
    "AsyncMap",
    "Box",
    "Children",
    "Combine",
    "ConfigError",
    "DataError",
    "DatagenError",
    "Expand",
    "Failed",
    "Field",
    "Joined",
    "Lost",
    "Map",
    "Merged",
    "Polygon",
    "Record",
    "Reject",
    "SetupError",
    "Stage",
    "StageConfig",
    "StoreError",
]
