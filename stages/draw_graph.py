"""Draw a random scene graph that the record's scene can show, and its caption."""

from __future__ import annotations

from typing import Self

from pydantic import Field, ValidationError, model_validator

from datagen import Answer, DataError, Failed, Map, Record, StageConfig
from datagen.core.draws import Draws
from datagen.scene_graphs.drawing import draw_graph
from datagen.scene_graphs.wording import describe
from datagen.worlds.graph_appearance import SIZES, labels_of
from datagen.worlds.pool import COLOUR_NAMES
from datagen.worlds.specification import SceneSpecification


class DrawGraph(Map):
    """Draw a graph of a few objects, with counts, colours and relations of position, and word it as a caption.

    What is drawn is seeded by the record's id and the run's seed. Every graph is one that `validate_graph` accepts with
    the same bounds, hangs together, has room on a grid of four by four cells, and consists of objects that each have a
    name of their own. A record fails if no such graph was found, because bounds or labels leave no choice.
    """

    reads = ("scene",)
    writes = ("graph", "caption")
    version = 1

    class Config(StageConfig):
        """Which graphs."""

        least_atoms: int = Field(default=4, ge=1, le=30)
        """Fewest atoms: objects, counts above one, attributes and relations."""
        most_atoms: int = Field(default=10, ge=1, le=30)
        """Most atoms."""
        most_objects: int = Field(default=5, ge=1, le=10)
        """Most nodes."""
        most_things: int = Field(default=9, ge=1, le=16)
        """Most things of all nodes together."""
        labels: tuple[str, ...] = ()
        """What objects may be, nouns in the singular; if empty, all that the scene's look can show."""
        sized: bool = False
        """Whether objects may be small or large too."""

        @model_validator(mode="after")
        def _is_possible(self) -> Self:
            if self.least_atoms > self.most_atoms:
                raise ValueError(f"least_atoms is {self.least_atoms}, more than most_atoms, which is {self.most_atoms}")
            return self

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Draw a graph for each scene."""
        return [self._drawn(record) for record in batch]

    def _drawn(self, record: Record) -> Answer:
        config = self.config
        sizes = tuple(filter(None, SIZES)) if config.sized else ()
        try:
            spec = SceneSpecification.model_validate(record["scene"])
            graph = draw_graph(
                Draws(self.seed, self.id, record.id),
                labels=config.labels or labels_of(spec),
                colours=COLOUR_NAMES,
                sizes=sizes,
                least_atoms=config.least_atoms,
                most_atoms=config.most_atoms,
                most_objects=config.most_objects,
                most_things=config.most_things,
            )
        except (DataError, ValidationError) as error:
            return Failed(f"no graph can be drawn: {error}")
        return {"graph": graph.row(), "caption": describe(graph)}
