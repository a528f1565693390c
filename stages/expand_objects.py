"""One record for each annotated object of a picture."""

from __future__ import annotations

from typing import Any

from datagen import Children, Expand, Record


class ExpandObjects(Expand):
    """Make a record of each annotated object, which becomes its subject.

    Every record also knows all objects of its picture, as `instances`.
    """

    reads = ("objects",)
    writes = ("subject", "box", "polygons", "annotated_mask", "attributes", "instances")

    def process(self, batch: list[Record]) -> list[Children]:
        """The objects of each picture, in the order of the manifest."""
        return [[_child(thing, record["objects"]) for thing in record["objects"]] for record in batch]


def _child(thing: dict[str, Any], things: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "subject": thing["label"],
        "box": tuple(thing["box"]),
        "polygons": thing["polygons"],
        "annotated_mask": thing["mask"] or {},
        "attributes": thing["attributes"],
        "instances": [
            {"label": other["label"], "box": other["box"], "mask": "", "attributes": other["attributes"]}
            for other in things
        ],
    }
