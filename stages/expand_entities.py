"""Make one record of each thing that a caption names."""

from __future__ import annotations

import math
from typing import Any

from datagen import Children, Expand, Record


class ExpandEntities(Expand):
    """Make one record of each entity, so that it can be cut out; `combine_references` joins them again.

    An entity without a box gets a box of NaN, for a detector to fill.
    """

    reads = ("entities",)
    writes = ("entity", "span", "entity_box", "polygons", "annotated_mask")

    def process(self, batch: list[Record]) -> list[Children]:
        """The entities of each caption, in its order."""
        return [[_child(entity) for entity in record["entities"]] for record in batch]


def _child(entity: dict[str, Any]) -> dict[str, Any]:
    x0, y0, x1, y1 = entity["box"] or (math.nan,) * 4
    return {
        "entity": entity["label"],
        "span": [entity["start"], entity["end"]],
        "entity_box": (x0, y0, x1, y1),
        "polygons": entity["polygons"],
        "annotated_mask": entity["mask"],
    }
