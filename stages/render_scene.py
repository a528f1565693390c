"""Render the scene of a graph."""

from __future__ import annotations

from pydantic import ValidationError

from datagen import Answer, DatagenError, Map, Record
from datagen.imaging.image import Image
from datagen.scene_graphs.graph import SceneGraph
from datagen.worlds.graph_scene import scene_of, unrendered
from datagen.worlds.scene_rows import instance_rows, object_masks, relation_rows
from datagen.worlds.specification import SceneSpecification


class RenderScene(Map):
    """Render a graph as its `scene` says. All of its objects, counts, attributes and relations hold in the picture.

    Graphs of equal content give equal bytes. `mask_0` is all that the picture has beside its background, shadows
    included; `mask_1`, ... are its things, in the order of `instances`. Rejects as `no_room` a graph that does not fit
    the frame, and as `not_drawable` one with labels, attributes or relations that the look has not. A record fails if a
    photograph cannot be read.
    """

    reads = ("graph", "scene")
    writes = ("image", "instances", "relations", "masks")
    rejects = ("no_room", "not_drawable")
    # No hash of code covers photographs.toml of datagen/worlds: raise it when its content changes.
    version = 1

    def process(self, batch: list[Record]) -> list[Answer]:
        """Render each graph."""
        return [self._rendered(record) for record in batch]

    def _rendered(self, record: Record) -> Answer:
        try:
            graph, spec = SceneGraph.model_validate(record["graph"]), SceneSpecification.model_validate(record["scene"])
            scene = scene_of(graph, spec)
            image = Image.of(scene.render())
        except (DatagenError, ValidationError) as error:
            return unrendered(error, what="scene")
        names = [f"mask_{number}" for number in range(1, len(scene.objects) + 1)]
        return {
            "image": image,
            "instances": instance_rows(scene, graph, masks=names),
            "relations": relation_rows(scene, graph),
            "masks": object_masks(scene, image.array),
        }
