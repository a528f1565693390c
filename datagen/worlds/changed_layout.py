"""The layout of a changed graph: as few things as possible leave the places that they have in another layout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final, NamedTuple

from datagen.core.draws import Draws
from datagen.core.fields import Box
from datagen.scene_graphs.graph import OPPOSITES, GraphObject, SceneGraph
from datagen.worlds.scene import SceneObject
from datagen.worlds.scene_grid import (
    GAP,
    MOST_TRIALS,
    NoRoomError,
    SceneLayout,
    box_at,
    broken_relations,
    clearly_stands,
    grid_of,
)
from datagen.worlds.specification import SceneSpecification

_MOST_MOVED: Final = 3
"""Nodes that are moved at most so that the relations of a changed graph hold in an earlier layout."""
_MOST_AWAY: Final = 1
"""Nodes that are moved at most where others have to make way too."""


class Wanted(NamedTuple):
    """The things of one node, of which some have a place already."""

    node: GraphObject
    placed: tuple[SceneObject, ...]
    """Where these stand; they stay there if they can."""
    unplaced: tuple[SceneObject, ...]
    """Things that need a place; their own means nothing."""
    has_grown: bool = False
    """Whether those with a place are larger than they were there."""


def lay_out_near(
    wanted: Sequence[Wanted],
    graph: SceneGraph,
    spec: SceneSpecification,
    *,
    cell: int,
    avoid: Iterable[Box] = (),
    moved: Collection[str] = (),
    movable: Collection[str] = (),
) -> SceneLayout:
    """A layout in which as few things as possible leave their places, and all relations hold.

    Things without a place stand clear of the boxes of `avoid`. If relations do not hold where things stand, some are
    moved: those of the nodes `moved`, or, if it is empty, of as few nodes as possible. Where this is not enough, or
    things have grown and touch others, nodes of `movable` make way; if there are such nodes, `avoid` is given up last.
    Raises `NoRoomError`.
    """
    placed = {each.node.id: each.placed for each in wanted}
    wrong = [
        *broken_relations(graph, placed),
        *((each.node.id, each.node.id) for each in wanted if _crowds(each, placed)),
    ]
    grown = {each.node.id for each in wanted if each.has_grown}
    # What has grown too large for its place would come back to it in a later step.
    is_stuck = not movable and any(not grown.isdisjoint(pair) for pair in wrong)
    for avoided in () if is_stuck else ([*avoid], []) if movable else ([*avoid],):
        for ids in _movers(wrong, moved=moved, movable=movable):
            found = _Places(wanted, graph, spec, cell=cell, avoid=avoided, ids=ids).solve()
            if found is not None:
                return SceneLayout(cell, found)
    raise NoRoomError(
        f"no room: the changed graph does not fit the layout of the first in {spec.width}x{spec.height}; "
        "change another node, or make the pictures larger"
    )


def _crowds(wanted: Wanted, placed: Mapping[str, Sequence[SceneObject]]) -> bool:
    """Whether things that have grown touch others."""
    things = [thing for things in placed.values() for thing in things]
    return wanted.has_grown and any(
        thing is not other and _touch(thing.box, other.box) for thing in wanted.placed for other in things
    )


def _movers(
    wrong: Sequence[tuple[str, str]], *, moved: Collection[str], movable: Collection[str]
) -> Iterator[tuple[str, ...]]:
    """Sets of nodes whose move can mend all `wrong` relations, small ones first, subjects before objects.

    Then sets with nodes of `movable`, which make way. Those of `moved` alone, if there are any.
    """
    if not wrong:
        yield ()
    if moved:
        yield tuple(moved)
        return
    needed = dict.fromkeys([subject for subject, _ in wrong] + [object for _, object in wrong])
    tried = set()
    for candidates, most in ((tuple(needed), _MOST_MOVED), (tuple(dict.fromkeys([*needed, *movable])), _MOST_AWAY)):
        for count in range(1, min(most, len(candidates)) + 1):
            for ids in combinations(candidates, count):
                if ids not in tried and all(subject in ids or object in ids for subject, object in wrong):
                    tried.add(ids)
                    yield ids


class _Places:
    """Finds places in pixels for the things that have none, or have to leave theirs."""

    def __init__(
        self,
        wanted: Sequence[Wanted],
        graph: SceneGraph,
        spec: SceneSpecification,
        *,
        cell: int,
        avoid: Sequence[Box],
        ids: Collection[str],
    ) -> None:
        self._spec, self._cell = spec, cell
        self._order = [each.node.id for each in wanted]
        self._fixed = {each.node.id: () if each.node.id in ids else each.placed for each in wanted}
        self._ends: dict[str, list[tuple[str, str]]] = {id: [] for id in self._order}
        for edge in graph.relations:
            self._ends[edge.subject].append((edge.predicate, edge.object))
            self._ends[edge.object].append((OPPOSITES[edge.predicate], edge.subject))
        leaving = [thing for each in wanted if each.node.id in ids for thing in each.placed]
        boxes = [*(thing.box for things in self._fixed.values() for thing in things), *avoid]
        self._open = [(thing, self._candidates(thing, self._near(thing), boxes)) for thing in leaving]
        new = [thing for each in wanted for thing in each.unplaced]
        self._open += [(thing, self._candidates(thing, self._anywhere(thing), boxes)) for thing in new]
        # What has the fewest places is placed first.
        self._open.sort(key=lambda each: len(each[1]))
        self._chosen: list[tuple[SceneObject, Box]] = []
        self._trials = MOST_TRIALS

    def solve(self) -> dict[str, tuple[SceneObject, ...]] | None:
        """All things by node; None if some found no place."""
        if not self._place():
            return None
        moved = [replace(thing, x=int(box[0]), y=int(box[1])) for thing, box in self._chosen]
        return {id: (*self._fixed[id], *(thing for thing in moved if thing.node == id)) for id in self._order}

    def _place(self) -> bool:
        if len(self._chosen) == len(self._open):
            return True
        thing, candidates = self._open[len(self._chosen)]
        for box in candidates:
            self._trials -= 1
            if self._trials < 0:
                return False
            if all(self._agree(thing.node, box, other.node, taken) for other, taken in self._chosen):
                self._chosen.append((thing, box))
                if self._place():
                    return True
                self._chosen.pop()
        return False

    def _candidates(self, thing: SceneObject, corners: Iterable[tuple[int, int]], boxes: Sequence[Box]) -> list[Box]:
        """The boxes at `corners` that touch none of `boxes` and stand to the fixed things as their relations ask."""
        size = thing.width, thing.height
        related = [(predicate, other.box) for predicate, end in self._ends[thing.node] for other in self._fixed[end]]
        placed = (box_at(corner, size) for corner in corners)
        return [
            box
            for box in placed
            if all(clearly_stands(predicate, box, other) for predicate, other in related)
            and not any(_touch(box, other) for other in boxes)
        ]

    def _agree(self, one: str, box: Box, other: str, taken: Box) -> bool:
        return not _touch(box, taken) and all(
            clearly_stands(predicate, box, taken) for predicate, end in self._ends[one] if end == other
        )

    def _near(self, thing: SceneObject) -> list[tuple[int, int]]:
        """Corners for a thing, nearest first to where it stands."""
        corners = sorted({(thing.x, thing.y), *self._middles(thing), *self._between(thing)})
        return sorted(corners, key=lambda at: (at[0] - thing.x) ** 2 + (at[1] - thing.y) ** 2)

    def _anywhere(self, thing: SceneObject) -> list[tuple[int, int]]:
        """Corners for a thing at random: in the middles of cells, then between them."""
        draws = Draws(self._spec.seed, self._spec.number, thing.seed, "place")
        return draws.shuffle(self._middles(thing)) + draws.shuffle(self._between(thing))

    def _middles(self, thing: SceneObject) -> list[tuple[int, int]]:
        grid = grid_of(self._spec, self._cell)
        return [grid.corner(cell, (thing.width, thing.height)) for cell in range(grid.columns * grid.rows)]

    def _between(self, thing: SceneObject) -> list[tuple[int, int]]:
        step = max(4, self._cell // 4)
        across = range(GAP, self._spec.width - thing.width - GAP + 1, step)
        return [(x, y) for x in across for y in range(GAP, self._spec.height - thing.height - GAP + 1, step)]


def _touch(one: Box, other: Box) -> bool:
    """Whether two boxes are nearer to each other than `GAP` on both axes."""
    return one[0] < other[2] + GAP and other[0] < one[2] + GAP and one[1] < other[3] + GAP and other[1] < one[3] + GAP
