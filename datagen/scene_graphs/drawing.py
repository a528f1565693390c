"""Random scene graphs that are sound, connected, and have room on a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.scene_graphs.graph import OPPOSITES, Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.wording import name_of

GRID: Final = (4, 4)
"""Columns and rows of cells on which the things of a graph have room."""
_TARGETS: Final = 20
"""Numbers of atoms and objects that are drawn before none is said to be possible."""
_TRIES: Final = 200
"""Graphs that are drawn of one number of atoms and objects. Nine in ten numbers need less."""
_LAYOUTS: Final = 20
"""Layouts that are drawn for the same objects, so that graphs of many things are not dropped for their first one."""
_LONGEST_RUN: Final = 4
"""Most things of one node."""
Cells = frozenset[tuple[int, int]]
"""Columns and rows."""


def draw_graph(
    draws: Draws,
    *,
    labels: Sequence[str],
    colours: Sequence[str],
    sizes: Sequence[str] = (),
    least_atoms: int = 3,
    most_atoms: int = 10,
    most_objects: int = 5,
    most_things: int = 9,
) -> SceneGraph:
    """A graph with relations of position alone, whose complexity lies within the bounds, inclusive.

    Every relation holds for some places of all things in a grid of `GRID` cells, in which things of one node stand
    together. All nodes hang together, and each has a name of its own (`name_of`). `sizes` are values of the
    attribute `size`, which an object alone never has. Ids are `o1`, `o2`, ...

    Raises `DataError` if none of many graphs meets this.
    """
    for _ in range(_TARGETS if labels and colours else 0):
        atoms = least_atoms + draws.below(most_atoms - least_atoms + 1)
        largest = min(most_objects, (atoms + 1) // 2, most_things)
        number = min(2, largest) + draws.below(max(1, largest - 1))
        spare, values = atoms - (2 * number - 1), 3 if sizes and number > 1 else 2
        is_possible = largest > 0 and spare <= number * values + (number - 1) * (number - 2) // 2
        for _attempt in range(_TRIES if is_possible else 0):
            drawn = _Drawing(draws, number, spare, most_things)
            if drawn.draw(labels, colours=colours, sizes=sizes):
                return drawn.graph()
    raise DataError(
        f"no graph of {least_atoms} to {most_atoms} atoms, with at most {most_objects} objects of {len(labels)} labels "
        f"and {len(colours)} colours, was found on a grid of {GRID[0]} x {GRID[1]}: allow more labels, colours or "
        "objects, or fewer atoms"
    )


@dataclass
class _Drawing:
    """One attempt at a graph of a number of objects and atoms."""

    draws: Draws
    number: int
    """Objects."""
    spare: int
    """Atoms beside the objects and the relations that hold them together."""
    most_things: int
    nodes: tuple[GraphObject, ...] = ()
    relations: tuple[GraphRelation, ...] = ()

    def graph(self) -> SceneGraph:
        """The graph so far."""
        return SceneGraph(objects=self.nodes, relations=self.relations)

    def draw(self, labels: Sequence[str], *, colours: Sequence[str], sizes: Sequence[str]) -> bool:
        """Whether an attempt succeeded: nodes, then places, then relations that hold there."""
        number, spare = self.number, self.spare
        kinds = ("colour", "count", *(("size",) if sizes and number > 1 else ()))
        shuffled = self.draws.shuffle([(kind, at) for at in range(number) for kind in kinds])
        # Prompts name more colours and numbers than relations, and both are what a picture gets wrong.
        early = [slot for slot in shuffled if slot[0] != "size" and self.draws.happens(0.5)]
        slots = [*early, *(slot for slot in shuffled if slot not in early)]
        edges = sum(self.draws.happens(0.2) for _ in range(min(spare, number - 2)))
        edges = max(edges, spare - len(slots))
        chosen = set(slots[: spare - edges])
        self.nodes = tuple(
            self._node(at, chosen, label=self.draws.choose(labels), colours=colours, sizes=sizes)
            for at in range(number)
        )
        return self._are_named() and any(self._relate(number - 1 + edges) for _ in range(_LAYOUTS))

    def _node(
        self,
        at: int,
        chosen: set[tuple[str, int]],
        *,
        label: str,
        colours: Sequence[str],
        sizes: Sequence[str],
    ) -> GraphObject:
        values = {"size": sizes, "colour": colours}
        attributes = tuple(
            Attribute(kind=kind, value=self.draws.choose(values[kind])) for kind in values if (kind, at) in chosen
        )
        count = 2 + self.draws.below(_LONGEST_RUN - 1) if ("count", at) in chosen else 1
        return GraphObject(id=f"o{at + 1}", label=label, count=count, attributes=attributes)

    def _are_named(self) -> bool:
        """Whether all nodes can be told apart, and are not too many things."""
        if sum(node.count for node in self.nodes) > self.most_things:
            return False
        try:
            return all(name_of(node.id, self.graph()) for node in self.nodes)
        except DataError:
            return False

    def _relate(self, number: int) -> bool:
        """Whether that many relations hold in a random layout and hold all nodes together."""
        places = self._places()
        if places is None:
            return False
        held = self.draws.shuffle(
            [
                (one, predicate, other)
                for one, other in combinations(range(len(places)), 2)
                for predicate in _held(places[one], places[other])
            ]
        )
        parts = [{at} for at in range(len(places))]
        first: list[tuple[int, str, int]] = []
        more: list[tuple[int, str, int]] = []
        for one, predicate, other in held:
            ours, theirs = (next(part for part in parts if at in part) for at in (one, other))
            (first if ours is not theirs else more).append((one, predicate, other))
            if ours is not theirs:
                ours |= theirs
                parts.remove(theirs)
        if len(parts) > 1 or len(first) + len(more) < number:
            return False
        self.relations = tuple(self._edge(*each) for each in sorted((first + more)[:number]))
        return True

    def _edge(self, one: int, predicate: str, other: int) -> GraphRelation:
        """The relation, read from either end."""
        if self.draws.happens(0.5):
            one, predicate, other = other, OPPOSITES[predicate], one
        return GraphRelation(subject=self.nodes[one].id, predicate=predicate, object=self.nodes[other].id)

    def _places(self) -> list[Cells] | None:
        """The cells of each node's things; None if they found no room."""
        free = set(product(range(GRID[0]), range(GRID[1])))
        places = []
        for node in self.nodes:
            fits = [cells for cells in _blocks(node.count) if cells <= free]
            if not fits:
                return None
            places.append(self.draws.choose(fits))
            free -= places[-1]
        return places


def _blocks(count: int) -> Iterator[Cells]:
    """All places of things that stand in a row, in a column, or four in a square."""
    shapes = {(count, 1), (1, count)} | ({(2, 2)} if count == _LONGEST_RUN else set())
    for width, height in sorted(shapes):
        for left, top in product(range(GRID[0] - width + 1), range(GRID[1] - height + 1)):
            yield frozenset(product(range(left, left + width), range(top, top + height)))


def _held(one: Cells, other: Cells) -> Iterator[str]:
    """The predicate that holds of each thing of one node and each of another, clear of the diagonal; at most one."""
    offsets = [(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in product(one, other)]
    for predicate, along, sign in (("left of", 0, 1), ("right of", 0, -1), ("above", 1, 1), ("below", 1, -1)):
        if all(sign * offset[along] > abs(offset[1 - along]) for offset in offsets):
            yield predicate
