"""Render the pictures of a plan."""

from __future__ import annotations

from functools import reduce

import numpy as np
from pydantic import ValidationError

from datagen import Answer, DatagenError, Failed, Map, Record
from datagen.imaging.image import Image
from datagen.scene_graphs.graph import SceneGraph
from datagen.worlds.graph_scene import scene_of, unrendered
from datagen.worlds.scene import changed_pixels
from datagen.worlds.scene_rows import empty_scene, instance_rows, relation_rows
from datagen.worlds.specification import SceneSpecification


class RenderPlan(Map):
    """Render the picture of each step of a plan, in the layout of its last graph: what a step leaves stays in place.

    The last picture is the target, those before are the turns. `mask_1`, ... mark what each step changes, the first one
    against the empty background; `mask_0` marks all of it. Instances and relations are those of the target. Rejects as
    `no_room` a plan that does not fit the frame, and as `not_drawable` one with labels, attributes or relations that
    the look has not. A record fails if a photograph cannot be read, or if it has no graph for a step.
    """

    reads = ("steps", "step_graphs", "scene")
    writes = ("turns", "target", "masks", "instances", "relations")
    rejects = ("no_room", "not_drawable")
    # No hash of code covers photographs.toml of datagen/worlds: raise it when its content changes.
    version = 1

    def process(self, batch: list[Record]) -> list[Answer]:
        """Render each plan."""
        return [self._rendered(record) for record in batch]

    def _rendered(self, record: Record) -> Answer:
        steps, rows = record["steps"], record["step_graphs"]
        if not steps or len(steps) != len(rows):
            return Failed(f"the plan has {len(steps)} steps and {len(rows)} graphs; it needs one graph a step")
        try:
            graphs, spec = (
                [SceneGraph.model_validate(row) for row in rows],
                SceneSpecification.model_validate(record["scene"]),
            )
            scenes = [scene_of(graph, spec, final=graphs[-1]) for graph in graphs]
            empty, *pictures = [scene.render() for scene in (empty_scene(scenes[-1]), *scenes)]
        except (DatagenError, ValidationError) as error:
            return unrendered(error, what="plan")
        changes = [changed_pixels(one, other) for one, other in zip([empty, *pictures], pictures, strict=False)]
        *turns, target = map(Image.of, pictures)
        return {
            "turns": turns,
            "target": target,
            "masks": [reduce(np.logical_or, changes), *changes],
            "instances": instance_rows(scenes[-1], graphs[-1]),
            "relations": relation_rows(scenes[-1], graphs[-1]),
        }
