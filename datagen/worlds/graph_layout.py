"""Where the things of a graph stand: one to a cell of a grid, so that all relations of position hold by a margin.

The layout of a graph is a function of its content, not of its ids or their order: graphs of equal content have equal
layouts. The layout of a spoilt graph, or of the beginning of a plan, is made from the layout of the whole
(`lay_out_near`), so that what both have stands in one place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations
from typing import Final, NamedTuple

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.core.fields import Box
from datagen.scene_graphs.canonical import canonical_ids, content_key
from datagen.scene_graphs.graph import OPPOSITES, GraphObject, SceneGraph
from datagen.worlds.graph_appearance import appearances_of, check_drawable, extent, side_of
from datagen.worlds.scene import SceneObject
from datagen.worlds.specification import SceneSpecification

LEAST_CELL: Final = 40
"""Pixels of the side of the smallest cell."""
_MARGIN: Final = 57
"""Hundredths: what the direction along a predicate's axis has to exceed here. `positions.stands` asks for 50."""
_GAP: Final = 4
"""Pixels between two boxes, and between a box and the frame, at least."""
_CENTRAL: Final = 0.4
"""Cost of half a cell away from the middle, where a cell off the line of a relation costs 1, and chance up to 1.

What stands in the middle has room on both sides, so that another relation can be shown by moving one node.
"""
_TRIALS: Final = 3_000
"""Places that are tried for one grid before a larger one is."""
_MOST_MOVED: Final = 3
"""Nodes that are moved at most so that the relations of a changed graph hold in an earlier layout."""
_MOST_AWAY: Final = 1
"""Nodes that are moved at most where others have to make way too."""


class NoRoomError(DataError):
    """A graph's things do not fit the frame as its relations ask."""


@dataclass(frozen=True)
class SceneLayout:
    """Where all things of a graph stand, by the id of their node. The numbers of the things are all 0."""

    cell: int
    """Pixels of the side of a cell."""
    things: Mapping[str, tuple[SceneObject, ...]] = field(default_factory=dict)

    @property
    def boxes(self) -> list[Box]:
        """The boxes of all things."""
        return [thing.box for things in self.things.values() for thing in things]


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


def _grid(spec: SceneSpecification, cell: int) -> Grid:
    columns, rows = spec.width // cell, spec.height // cell
    return Grid(cell, columns, rows, (spec.width - columns * cell) // 2, (spec.height - rows * cell) // 2)


def _grids(spec: SceneSpecification, count: int, *, least: int) -> Iterator[Grid]:
    """Grids of ever smaller cells, the first of which leaves a third of its cells free; `least` along the short side.

    Relations get a finer one, so that what is spoilt or added finds room too.
    """
    short = min(spec.width, spec.height)
    for along in range(min(least, short // LEAST_CELL), short // LEAST_CELL + 1):
        grid = _grid(spec, short // along)
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
        self._trials = _TRIALS
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
    boxes = [[_box(grid.corner(cell, size), size) for cell in cells] for size in (subject, object)]
    return tuple(
        sum(1 << there for there in cells if clearly_stands(predicate, boxes[0][here], boxes[1][there]))
        for here in cells
    )


def _box(corner: tuple[int, int], size: tuple[int, int]) -> Box:
    return corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]


def _jittered(
    things: Mapping[str, tuple[SceneObject, ...]], graph: SceneGraph, grid: Grid, draws: Draws
) -> dict[str, tuple[SceneObject, ...]]:
    """Each thing a little off the middle of its cell, as far as its relations still hold."""
    moved = dict(things)
    for id, equal in things.items():
        for index, thing in enumerate(equal):
            slack = [max(0, grid.cell - size - _GAP) // 2 for size in (thing.width, thing.height)]
            for part in (1, 2, 4):
                x, y = (draws.below(2 * (each // part) + 1) - each // part for each in slack)
                tried = replace(thing, x=thing.x + x, y=thing.y + y)
                others = tuple(tried if number == index else each for number, each in enumerate(moved[id]))
                if _hold(graph, {**moved, id: others}, ids={id}):
                    moved[id] = others
                    break
    return moved


def _hold(graph: SceneGraph, things: Mapping[str, Sequence[SceneObject]], *, ids: Collection[str] = ()) -> bool:
    """Whether all relations hold by a margin, or those of some nodes."""
    return not any(True for _ in _violated(graph, things, ids=ids))


def _violated(
    graph: SceneGraph, things: Mapping[str, Sequence[SceneObject]], *, ids: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """The nodes of each relation that does not hold between all of their things."""
    for edge in graph.relations:
        if ids and edge.subject not in ids and edge.object not in ids:
            continue
        pairs = ((one, other) for one in things.get(edge.subject, ()) for other in things.get(edge.object, ()))
        if any(not clearly_stands(edge.predicate, one.box, other.box) for one, other in pairs):
            yield edge.subject, edge.object


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
    violated = [*_violated(graph, placed), *((each.node.id, each.node.id) for each in wanted if _crowds(each, placed))]
    grown = {each.node.id for each in wanted if each.has_grown}
    # What has grown too large for its place would come back to it in a later step.
    is_stuck = not movable and any(not grown.isdisjoint(pair) for pair in violated)
    for avoided in () if is_stuck else ([*avoid], []) if movable else ([*avoid],):
        for ids in _movers(violated, moved=moved, movable=movable):
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
    violated: Sequence[tuple[str, str]], *, moved: Collection[str], movable: Collection[str]
) -> Iterator[tuple[str, ...]]:
    """Sets of nodes whose move can mend all violated relations, small ones first, subjects before objects.

    Then sets with nodes of `movable`, which make way. Those of `moved` alone, if there are any.
    """
    if not violated:
        yield ()
    if moved:
        yield tuple(moved)
        return
    needed = dict.fromkeys([subject for subject, _ in violated] + [object for _, object in violated])
    tried = set()
    for candidates, most in ((tuple(needed), _MOST_MOVED), (tuple(dict.fromkeys([*needed, *movable])), _MOST_AWAY)):
        for count in range(1, min(most, len(candidates)) + 1):
            for ids in combinations(candidates, count):
                if ids not in tried and all(subject in ids or object in ids for subject, object in violated):
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
        self._trials = _TRIALS

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
        placed = (_box(corner, size) for corner in corners)
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
        grid = _grid(self._spec, self._cell)
        return [grid.corner(cell, (thing.width, thing.height)) for cell in range(grid.columns * grid.rows)]

    def _between(self, thing: SceneObject) -> list[tuple[int, int]]:
        step = max(4, self._cell // 4)
        across = range(_GAP, self._spec.width - thing.width - _GAP + 1, step)
        return [(x, y) for x in across for y in range(_GAP, self._spec.height - thing.height - _GAP + 1, step)]


def _touch(one: Box, other: Box) -> bool:
    """Whether two boxes are nearer to each other than `_GAP` on both axes."""
    return (
        one[0] < other[2] + _GAP and other[0] < one[2] + _GAP and one[1] < other[3] + _GAP and other[1] < one[3] + _GAP
    )
