"""Drop scene graphs that are not sound, not faithful to their caption, too simple or too complex."""

from __future__ import annotations

from pydantic import Field, ValidationError

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.scene_graphs.checks import GRAPH_REASONS, check_graph
from datagen.scene_graphs.graph import SceneGraph


class ValidateGraph(Map):
    """Drop graphs of which no picture can be made, or none that is worth a plan.

    Rejects as `dangling` (an end of a relation is no object, a relation is to itself, or an id is there twice),
    `contradiction` (opposite relations on one pair, or a circle of strict order on one axis), `conflict` (two values of
    one kind of attribute), `relative_alone` (a relative size with nothing beside it), `unfaithful` (a label, number or
    attribute that the caption does not have; only if the record has a caption), `too_simple` and `too_complex`.

    Atoms are objects, counts above one, attributes and relations. A graph that has not the form of graphs fails.
    """

    reads = ("graph",)
    optional = ("caption",)
    writes = ()
    rejects = GRAPH_REASONS
    version = 1

    class Config(StageConfig):
        """Bounds."""

        least_atoms: int = Field(default=3, ge=0)
        """Fewest atoms; 3 is the least of GenEval 2."""
        most_atoms: int = Field(default=10, ge=1)
        """Most atoms; 10 is the most of GenEval 2."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Check each graph."""
        return [self._checked(record) for record in batch]

    def _checked(self, record: Record) -> Answer:
        try:
            graph = SceneGraph.model_validate(record["graph"])
        except ValidationError as error:
            return Failed(f"the graph has not the form of `SceneGraph`: {error}")
        bounds = {"least_atoms": self.config.least_atoms, "most_atoms": self.config.most_atoms}
        problem = check_graph(graph, caption=record.get("caption", ""), **bounds)
        return Reject(problem.reason, problem.detail) if problem else {}
