"""What is true of a scene of a graph, as a sample's KEY.json has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from datagen.imaging.image import Mask, Pixels
from datagen.scene_graphs.graph import SceneGraph
from datagen.worlds.scene import Scene, changed_pixels


def instance_rows(scene: Scene, graph: SceneGraph, *, masks: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The field `instances`: a row for each thing of the scene, in its order.

    `masks` are the members that hold their masks. A thing's attributes are what is seen of it: its colour, also where
    the graph names none, and the size that the graph names.
    """
    rows = []
    for index, thing in enumerate(scene.objects):
        node = graph.get(thing.node)
        size = node.get("size") if node else ""
        row = {"label": thing.label, "box": list(thing.box), "attributes": [*thing.attributes, *filter(None, [size])]}
        rows.append({**row, "mask": masks[index] if masks else ""})
    return rows


def relation_rows(scene: Scene, graph: SceneGraph) -> list[dict[str, Any]]:
    """The field `relations`: each relation of the graph, between each two things of its nodes."""
    labels = {node.id: node.label for node in graph.objects}
    numbers = {
        node.id: [number for number, thing in enumerate(scene.objects) if thing.node == node.id]
        for node in graph.objects
    }
    return [
        {
            "subject": labels[edge.subject],
            "predicate": edge.predicate,
            "object": labels[edge.object],
            "subject_id": subject,
            "object_id": object,
        }
        for edge in graph.relations
        for subject in numbers[edge.subject]
        for object in numbers[edge.object]
    ]


def empty_scene(scene: Scene) -> Scene:
    """The same background without any object."""
    return replace(scene, objects=())


def object_masks(scene: Scene, picture_HWC: Pixels) -> list[Mask]:
    """All that the picture of a scene has beside its empty background, then the mask of each thing; HW bool."""
    all_HW = changed_pixels(empty_scene(scene).render(), picture_HWC)
    return [all_HW, *(thing.mask(scene.size) for thing in scene.objects)]
