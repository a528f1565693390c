"""Where the things of a graph stand: one to a cell of a grid, so that all relations of position hold by a margin.

The layout of a graph is a function of its content, not of its ids or their order: graphs of equal content have equal
layouts. `changed_layout` makes that of a spoilt graph, or of the beginning of a plan, from the layout of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from datagen.core.draws import Draws
from datagen.scene_graphs.canonical import canonical_ids, content_key
from datagen.scene_graphs.graph import OPPOSITES, SceneGraph
from datagen.worlds.graph_appearance import appearances_of, check_drawable, extent, side_of
from datagen.worlds.scene import SceneObject
from datagen.worlds.scene_grid import (
    GAP,
    MOST_TRIALS,
    Grid,
    NoRoomError,
    SceneLayout,
    box_at,
    broken_relations,
    clearly_stands,
    grid_of,
)
from datagen.worlds.specification import SceneSpecification

LEAST_CELL: Final = 40
"""Pixels of the side of the smallest cell."""
_CENTRAL: Final = 0.4
"""Cost of half a cell away from the middle, where a cell off the line of a relation costs 1, and chance up to 1.

What stands in the middle has room on both sides, so that another relation can be shown by moving one node.
"""


@lru_cache(maxsize=16)
def lay_out(graph: SceneGraph, spec: SceneSpecification) -> SceneLayout:
    """The places of all things of a graph.

    Every relation of position holds for each pair of its nodes' things with a margin, and things stand apart by some
    pixels. Raises `NotDrawableError` for what the look has not, `NoRoomError` where the frame is too small or the
    relations contradict each other.
    """
    check_drawable(graph, spec)
    count = sum(node.count for node in graph.objects)
    most = (spec.width // LEAST_CELL) * (spec.height // LEAST_CELL)
    if count > most:
        raise NoRoomError(
            f"no room: {count} things in {spec.width}x{spec.height}, which has cells for {most}; "
            "make the pictures larger"
        )
    order, key = canonical_ids(graph), content_key(graph)
    nodes = {node.id: node for node in graph.objects}
    appearances = appearances_of(graph, spec, order=order, key=key)
    draws = Draws(spec.seed, spec.number, key, "places")
    for grid in _grids(spec, count, least=4 if graph.relations else 3):
        sides = {id: side_of(nodes[id], cell=grid.cell, spec=spec) for id in order}
        extents = {id: [extent(each.look, sides[id]) for each in appearances[id]] for id in order}
        cells = _Cells(grid, graph, order, extents, draws).solve()
        if cells is None:
            continue
        things = {
            id: tuple(
                SceneObject(
                    0, look, *grid.corner(cell, size), *size, colour=colour, seed=seed, shadow=spec.shadow, node=id
                )
                for (look, colour, seed), size, cell in zip(appearances[id], extents[id], cells[id], strict=True)
            )
            for id in order
        }
        return SceneLayout(grid.cell, _jittered(things, graph, grid, draws))
    raise NoRoomError(
        f"no room: {count} things and {len(graph.relations)} relations do not fit {spec.width}x{spec.height}; make the "
        "pictures larger, or the graph simpler"
    )


def _grids(spec: SceneSpecification, count: int, *, least: int) -> Iterator[Grid]:
    """Grids of ever smaller cells, the first of which leaves a third of its cells free; `least` along the short side.

    Relations get a finer one, so that what is spoilt or added finds room too.
    """
    short = min(spec.width, spec.height)
    for along in range(min(least, short // LEAST_CELL), short // LEAST_CELL + 1):
        grid = grid_of(spec, short // along)
        free = grid.columns * grid.rows - count
        if free >= max(2, count // 2) or (along == short // LEAST_CELL and free >= 0):
            yield grid


class _Cells:
    """Finds a cell for each thing by search with forward checking; the sets of cells are bits of whole numbers."""

    def __init__(
        self,
        grid: Grid,
        graph: SceneGraph,
        order: Sequence[str],
        extents: Mapping[str, Sequence[tuple[int, int]]],
        draws: Draws,
    ) -> None:
        self._grid = grid
        self._order = order
        self._count = {id: len(sizes) for id, sizes in extents.items()}
        largest = {id: (max(w for w, _ in sizes), max(h for _, h in sizes)) for id, sizes in extents.items()}
        self._allowed: dict[str, list[tuple[str, tuple[int, ...], int]]] = {id: [] for id in order}
        for edge in graph.relations:
            sizes = largest[edge.subject], largest[edge.object]
            axis = 0 if edge.predicate in ("left of", "right of") else 1
            forward = _reach(grid, edge.predicate, *sizes)
            backward = _reach(grid, OPPOSITES[edge.predicate], *sizes[::-1])
            self._allowed[edge.subject].append((edge.object, forward, axis))
            self._allowed[edge.object].append((edge.subject, backward, axis))
        cells = grid.columns * grid.rows
        self._noise = {id: [draws.between(0, 1) for _ in range(cells)] for id in order}
        self._trials = MOST_TRIALS
        self._chosen: dict[str, list[int]] = {id: [] for id in order}

    def solve(self) -> dict[str, list[int]] | None:
        """The cells of each node's things; None if none were found."""
        full = (1 << self._grid.columns * self._grid.rows) - 1
        return self._chosen if self._place(dict.fromkeys(self._order, full), full) else None

    def _place(self, domains: Mapping[str, int], free: int) -> bool:
        open_nodes = [id for id in self._order if len(self._chosen[id]) < self._count[id]]
        if not open_nodes:
            return True
        slack = {id: (domains[id] & free).bit_count() - self._missing(id) for id in open_nodes}
        if min(slack.values()) < 0:
            return False
        # Of nodes with equal slack, that with most relations first: it decides most.
        id = min(open_nodes, key=lambda each: (slack[each], -len(self._allowed[each])))
        for cell in self._ranked(id, domains[id] & free):
            self._trials -= 1
            if self._trials < 0:
                return False
            narrowed = dict(domains)
            for other, reach, _ in self._allowed[id]:
                narrowed[other] &= reach[cell]
            self._chosen[id].append(cell)
            if self._place(narrowed, free & ~(1 << cell)):
                return True
            self._chosen[id].pop()
            # The node's other things take no cell that failed for this one: they are equal.
            domains = {**domains, id: domains[id] & ~(1 << cell)}
            if (domains[id] & free).bit_count() < self._missing(id):
                return False
        return False

    def _missing(self, id: str) -> int:
        return self._count[id] - len(self._chosen[id])

    def _ranked(self, id: str, domain: int) -> list[int]:
        """The cells of a set, first those level with what the node is related to and near the middle of the frame."""

        def cost(cell: int) -> float:
            row, column = divmod(cell, self._grid.columns)
            off = _CENTRAL * max(abs(2 * row + 1 - self._grid.rows), abs(2 * column + 1 - self._grid.columns))
            for other, _, axis in self._allowed[id]:
                for taken in self._chosen[other]:
                    off += abs((row, column)[axis] - divmod(taken, self._grid.columns)[axis])
            return off + self._noise[id][cell]

        return sorted((cell for cell in range(domain.bit_length()) if domain >> cell & 1), key=cost)


@lru_cache(maxsize=512)
def _reach(grid: Grid, predicate: str, subject: tuple[int, int], object: tuple[int, int]) -> tuple[int, ...]:
    """For each cell of a subject, the cells in which its object may be, as bits; sizes are (width, height)."""
    cells = range(grid.columns * grid.rows)
    boxes = [[box_at(grid.corner(cell, size), size) for cell in cells] for size in (subject, object)]
    return tuple(
        sum(1 << there for there in cells if clearly_stands(predicate, boxes[0][here], boxes[1][there]))
        for here in cells
    )


def _jittered(
    things: Mapping[str, tuple[SceneObject, ...]], graph: SceneGraph, grid: Grid, draws: Draws
) -> dict[str, tuple[SceneObject, ...]]:
    """Each thing a little off the middle of its cell, as far as its relations still hold."""
    moved = dict(things)
    for id, equal in things.items():
        for index, thing in enumerate(equal):
            slack = [max(0, grid.cell - size - GAP) // 2 for size in (thing.width, thing.height)]
            for part in (1, 2, 4):
                x, y = (draws.below(2 * (each // part) + 1) - each // part for each in slack)
                tried = replace(thing, x=thing.x + x, y=thing.y + y)
                others = tuple(tried if number == index else each for number, each in enumerate(moved[id]))
                if not any(broken_relations(graph, {**moved, id: others}, ids={id})):
                    moved[id] = others
                    break
    return moved
