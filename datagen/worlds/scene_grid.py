"""Layouts of the things of a graph: the grid on which they stand, and what holds in every one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from datagen.core.errors import DataError
from datagen.core.fields import Box
from datagen.scene_graphs.graph import OPPOSITES, SceneGraph
from datagen.worlds.scene import SceneObject
from datagen.worlds.specification import SceneSpecification

GAP: Final = 4
"""Pixels between two boxes, and between a box and the frame, at least."""
MOST_TRIALS: Final = 3_000
"""Places that are tried before a search is given up."""
_MARGIN: Final = 57
"""Hundredths: what the direction along a predicate's axis has to exceed here. `positions.stands` asks for 50."""


class NoRoomError(DataError):
    """A graph's things do not fit the frame as its relations ask."""


@dataclass(frozen=True)
class SceneLayout:
    """Where all things of a graph stand, by the id of their node. The numbers of the things are all 0."""

    cell: int
    """Pixels of the side of a cell."""
    things: Mapping[str, tuple[SceneObject, ...]] = field(default_factory=dict)


class Grid(NamedTuple):
    """Square cells in the middle of a frame."""

    cell: int
    columns: int
    rows: int
    left: int
    top: int

    def corner(self, cell: int, size: tuple[int, int]) -> tuple[int, int]:
        """The upper left corner of an item of `size` (width, height) in the middle of a cell."""
        row, column = divmod(cell, self.columns)
        x, y = self.left + column * self.cell, self.top + row * self.cell
        return x + (self.cell - size[0]) // 2, y + (self.cell - size[1]) // 2


def grid_of(spec: SceneSpecification, cell: int) -> Grid:
    """The grid of as many cells, of `cell` pixels a side, as a frame has room for."""
    columns, rows = spec.width // cell, spec.height // cell
    return Grid(cell, columns, rows, (spec.width - columns * cell) // 2, (spec.height - rows * cell) // 2)


def box_at(corner: tuple[int, int], size: tuple[int, int]) -> Box:
    """The box of an item of `size` (width, height) at its upper left corner."""
    return corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]


def clearly_stands(predicate: str, subject: Box, object: Box) -> bool:
    """Whether a relation of position holds by `positions.stands`, and with a margin. Boxes are in whole pixels."""
    if predicate in ("right of", "below"):
        return clearly_stands(OPPOSITES[predicate], object, subject)
    axis = 0 if predicate == "left of" else 1
    twice = [int(object[i] + object[i + 2] - subject[i] - subject[i + 2]) for i in (0, 1)]
    size = int(object[axis + 2] - object[axis] + subject[axis + 2] - subject[axis])
    # In whole numbers, so that every machine decides alike: 10 times twice the shortened offset against the length.
    along = 10 * twice[axis] - 2 * size
    return along > 0 and along * along * 100 > _MARGIN * _MARGIN * (twice[0] ** 2 + twice[1] ** 2)


def broken_relations(
    graph: SceneGraph, things: Mapping[str, Sequence[SceneObject]], *, ids: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """The nodes of each relation that does not hold between all of their things."""
    for edge in graph.relations:
        if ids and edge.subject not in ids and edge.object not in ids:
            continue
        pairs = ((one, other) for one in things.get(edge.subject, ()) for other in things.get(edge.object, ()))
        if any(not clearly_stands(edge.predicate, one.box, other.box) for one, other in pairs):
            yield edge.subject, edge.object
