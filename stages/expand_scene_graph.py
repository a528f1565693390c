"""Make several records of one scene graph, each of a part of it."""

from __future__ import annotations

from pydantic import Field

from datagen import Children, DataError, Expand, Failed, Record, StageConfig
from datagen.core.draws import Draws
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.plans import subgraphs
from datagen.scene_graphs.wording import describe


class ExpandSceneGraph(Expand):
    """Make one record of each of several parts of a graph, with a caption of its own.

    Parts are induced subgraphs in random orders of their objects, connected where the graph is; the first one is the
    whole graph. A graph that is smaller than a part may be is rejected as `no_children`.
    """

    reads = ("whole_graph",)
    writes = ("graph", "caption")
    version = 1

    class Config(StageConfig):
        """How many parts, and how large they are."""

        count: int = Field(default=3, ge=1, le=100)
        """Most parts of a graph. If it has fewer, its parts come in several orders."""
        least_objects: int = Field(default=2, ge=1)
        """Fewest objects of a part."""
        least_atoms: int = Field(default=3, ge=1)
        """Fewest atoms of a part: objects, counts above one, attributes and relations."""

    config: Config

    def process(self, batch: list[Record]) -> list[Children]:
        """The parts of each graph."""
        return [self._parts(record) for record in batch]

    def _parts(self, record: Record) -> Children:
        try:
            parts = subgraphs(
                SceneGraph.model_validate(record["whole_graph"]),
                Draws(self.seed, self.id, record.id),
                count=self.config.count,
                least_objects=self.config.least_objects,
                least_atoms=self.config.least_atoms,
            )
        except DataError as error:
            return Failed(f"the graph has no parts: {error}")
        return [{"graph": part.row(), "caption": describe(part)} for part in parts]
