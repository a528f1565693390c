"""A cell of a grid for each node of a graph, as far as possible as its relations say.

What is left of another gets a column left of it. Relations may contradict each other, or form a circle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product

Relations = Sequence[tuple[int, int, tuple[str, ...]]]
"""Subject, object and all predicates between them; nodes by number."""
Cell = tuple[int, int]
"""Column and row, from 0; columns go to the right, rows down."""

_DIRECTIONS = {
    "left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1), "on": (0, -1), "under": (0, 1),
}  # fmt: skip
"""Where a subject stands, seen from the object."""
_OTHERWISE = (-1, 0)
_COMPARED = 10
"""Cells that are compared by the lines that pass through nodes: those that agree best with the relations."""
_OF_PASSING, _OF_WRONG_SIDE, _OF_OFFSET = 5.0, 12.0, 1.5
"""Costs of a cell: of a line through a node, of a relation that it contradicts, of each step aside."""


def connected_parts(number: int, relations: Relations) -> list[list[int]]:
    """The numbers of the nodes of each connected part; in a part each node but the first has a neighbour before it."""
    beside: dict[int, list[int]] = {node: [] for node in range(number)}
    for subject, object, _ in relations:
        beside[subject].append(object)
        beside[object].append(subject)
    parts: list[list[int]] = []
    left = set(range(number))
    while left:
        part = [min(left)]
        left.discard(part[0])
        while near := [node for node in left if any(other in part for other in beside[node])]:
            # the node with most neighbours that have their places is placed next
            chosen = max(near, key=lambda node: (sum(other in part for other in beside[node]), -node))
            part.append(chosen)
            left.discard(chosen)
        parts.append(part)
    return parts


def grid_cells(part: Sequence[int], relations: Relations) -> dict[int, Cell]:
    """A cell of the grid for each node of a part, as far as possible as its relations say."""
    wishes: dict[int, list[tuple[int, Cell]]] = {node: [] for node in part}
    for subject, object, predicates in relations:
        ways = [_DIRECTIONS[each] for each in predicates if each in _DIRECTIONS] or [_OTHERWISE]
        across, down = (max(-1, min(1, sum(way[axis] for way in ways))) for axis in (0, 1))
        wishes[subject].append((object, (across, down)))
        wishes[object].append((subject, (-across, -down)))
    cells = {part[0]: (0, 0)}
    # then twice more, now that each knows where all others are
    for node in (*part[1:], *part, *part):
        cells.pop(node, None)
        cells[node] = _best_cell(node, cells, wishes)
    columns = sorted({cell[0] for cell in cells.values()})
    rows = sorted({cell[1] for cell in cells.values()})
    return {node: (columns.index(cell[0]), rows.index(cell[1])) for node, cell in cells.items()}


def _best_cell(node: int, cells: Mapping[int, Cell], wishes: Mapping[int, Sequence[tuple[int, Cell]]]) -> Cell:
    if not cells:
        return 0, 0
    taken = set(cells.values())
    lines = [
        (cells[one], cells[other])
        for one, ends in wishes.items() if one in cells
        for other, _ in ends if other in cells and one < other
    ]  # fmt: skip
    mine = [(cells[other], way) for other, way in wishes[node] if other in cells]
    columns, rows = ([cell[axis] for cell in taken] for axis in (0, 1))
    spans = range(min(columns) - 1, max(columns) + 2), range(min(rows) - 1, max(rows) + 2)

    free = [cell for cell in product(*spans) if cell not in taken]
    best = sorted((sum(_disagreement(cell, other, way) for other, way in mine), cell) for cell in free)[:_COMPARED]

    def cost(disagreement: float, cell: Cell) -> tuple[float, Cell]:
        passed = sum(_passes(each, cell, other) for other, _ in mine for each in taken)
        return disagreement + _OF_PASSING * (passed + sum(_passes(cell, *line) for line in lines)), cell

    return min(cost(*each) for each in best)[1]


def _disagreement(cell: Cell, other: Cell, way: Cell) -> float:
    found = 0.0
    for axis in (0, 1):
        offset = cell[axis] - other[axis]
        if way[axis]:
            found += _OF_WRONG_SIDE if offset * way[axis] <= 0 else offset * way[axis] - 1.0
        else:
            found += _OF_OFFSET * abs(offset)
    return found


def _passes(cell: Cell, one: Cell, other: Cell) -> bool:
    """Whether the line between two cells goes through a third one."""
    length = math.dist(one, other)
    across = abs((other[0] - one[0]) * (cell[1] - one[1]) - (other[1] - one[1]) * (cell[0] - one[0]))
    along = (other[0] - one[0]) * (cell[0] - one[0]) + (other[1] - one[1]) * (cell[1] - one[1])
    return length > 0 and across / length < 0.35 and 0 < along < length * length
