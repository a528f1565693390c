"""One record for each annotated object of a picture."""

from __future__ import annotations

import math
from typing import Any

from datagen import Children, Expand, Record
from datagen.core.fields import Box
from datagen.imaging.geometry import check_box


class ExpandObjects(Expand):
    """Make a record of each annotated object, which becomes its subject.

    Every record also knows the objects of its picture, as `instances`: those
    whose boxes are sound, and lie on the `image` where that is at hand. An
    object whose box is not is a record of its own all the same, to fail alone
    where its box is first used. Where a stage before wrote `found_objects`, they stand in the place of `objects`.
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
"""A box may be anywhere but left of or above the picture."""
