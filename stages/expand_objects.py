"""Make one record of each annotated object of a picture."""

from __future__ import annotations

import math
from typing import Any

from datagen import Children, Expand, Record
from datagen.core.fields import Box
from datagen.imaging.geometry import check_box


class ExpandObjects(Expand):
    """Make one record of each annotated object, which becomes the record's subject.

    Each record also lists the picture's objects as `instances`: those whose box is valid, and on the `image` if there
    is one. An object with an invalid box still becomes a record, and fails alone where its box is first used. If an
    earlier stage wrote `found_objects`, they replace `objects`.
    """

    reads = ("objects",)
    optional = ("image", "found_objects")
    writes = ("subject", "box", "polygons", "annotated_mask", "attributes", "instances")

    def process(self, batch: list[Record]) -> list[Children]:
        """The objects of each picture, in the order in which they are listed."""
        return [_children(record) for record in batch]


def _children(record: Record) -> Children:
    size = record["image"].size if "image" in record else _ANY_SIZE
    things = record.get("found_objects", record["objects"])
    instances = [_instance(thing) for thing in things if check_box(_box(thing), size) is None]
    return [_child(thing, instances) for thing in things]


def _box(thing: dict[str, Any]) -> Box:
    x0, y0, x1, y1 = (math.nan if edge is None else edge for edge in thing["box"])
    return x0, y0, x1, y1


def _child(thing: dict[str, Any], instances: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "subject": thing["label"],
        "box": _box(thing),
        "polygons": thing["polygons"],
        "annotated_mask": thing["mask"] or {},
        "attributes": thing["attributes"],
        "instances": instances,
    }


def _instance(thing: dict[str, Any]) -> dict[str, Any]:
    return {"label": thing["label"], "box": thing["box"], "mask": "", "attributes": thing["attributes"]}


_ANY_SIZE = (2**63, 2**63)
"""The size to check boxes against if the picture is unknown: only what lies left of it or above is refused."""
