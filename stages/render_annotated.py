"""Render a graph as a picture whose objects are annotated."""

from __future__ import annotations

from pydantic import ValidationError

from datagen import Answer, DatagenError, Map, Record
from datagen.imaging.geometry import encode_rle
from datagen.imaging.image import Image
from datagen.scene_graphs.graph import SceneGraph
from datagen.worlds.graph_scene import scene_of, unrendered
from datagen.worlds.specification import SceneSpecification


class RenderAnnotated(Map):
    """Render a graph as its `scene` says, with its objects as a dataset annotates them: label, box, outline and mask.

    What follows can be what works on annotated photographs. Rejects as `render_scene` does.
    """

    reads = ("graph", "scene")
    writes = ("image", "objects")
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
        objects = [
            {
                "label": thing.label,
                "box": list(thing.box),
                "polygons": thing.outline,
                "mask": {"size": [spec.height, spec.width], "counts": encode_rle(thing.mask(scene.size))},
                "attributes": list(thing.attributes),
            }
            for thing in scene.objects
        ]
        return {"image": image, "objects": objects}
