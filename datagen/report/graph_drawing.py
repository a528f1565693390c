"""A scene graph as a drawing: boxes and lines with their places, in pixels, for SVG.

Nodes are placed on a grid as their relations say: what is left of another stands left of it. Values may come from a
damaged ledger, and graphs from a model, so that relations may contradict each other, or name nodes that do not exist.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from datagen.report.connecting_lines import (
    BENDS,
    BENDS_OF_TWO,
    Area,
    Point,
    arrow_head,
    connecting_line,
    label_area,
    path_data,
)
from datagen.report.graph_grid import Cell, Relations, connected_parts, grid_cells
from datagen.scene_graphs.graph import GraphObject, SceneGraph

MOST_NODES = 16
"""Nodes of a graph that is drawn; a larger one is shown in words alone."""
MOST_EDGES = 40
"""Lines of a graph that is drawn."""
MOST_LINES = 40
"""Lines of words of a graph; more are cut."""
MOST_SIGNS = 400
"""Characters of such a line; more are cut."""
_LONGEST = 26
"""Characters of a line in a box, or of a label."""
_TITLE, _DETAIL = 13.0, 11.5
"""Sizes of letters, as in the style sheets."""
_ROW_GAP, _COLUMN_GAP = 46.0, 34.0
_EDGE_ROOM = 26.0
"""Pixels of a line beside its label, for the arrow."""
_MARGIN = 8.0
_WIDE = 720.0
"""Width at which unconnected parts are wrapped."""
_COLOURS = {
    "red": "#d93025", "orange": "#f28c28", "yellow": "#f2c318", "green": "#2e9e4f", "blue": "#2b6fd6",
    "purple": "#8146b5", "pink": "#ef7fb2", "brown": "#8a5a35", "black": "#1b1b1b", "white": "#ffffff",
    "grey": "#8d9095", "gray": "#8d9095", "cyan": "#21b5c4", "teal": "#148a83", "turquoise": "#2fc4b2",
    "magenta": "#cf2fa5", "gold": "#c99a1b", "silver": "#b8bdc4", "beige": "#e5d9bd",
}  # fmt: skip


class DrawnNode(NamedTuple):
    """The box of a node."""

    x: float
    y: float
    """Its left upper corner."""
    width: float
    height: float
    title: str
    detail: str
    """Its attributes, '' if it has none."""
    colour: str
    """A colour in hexadecimal digits, if it has one that is known by name, else ''."""
    name: str
    """All of it in words, nothing cut."""
    fails: bool


class DrawnEdge(NamedTuple):
    """The line from the subject of a relation to its object."""

    path: str
    arrow: str
    """SVG path data of the line, and of the head at its end."""
    label: str
    x: float
    y: float
    """The middle of its label."""
    name: str
    fails: bool


class GraphDrawing(NamedTuple):
    """A drawn graph. If it has too many nodes, there are words alone: `width` and `height` are 0."""

    width: float
    height: float
    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]
    notes: tuple[str, ...]
    """What is not drawn: background, style, and relations that no line can stand for."""
    lines: tuple[str, ...]
    """All of the graph in words."""


def drawing_of(value: Any, *, failing: Any = ()) -> GraphDrawing | None:
    """The drawing of a value of the field `graph`; None if it is no graph, or an empty one.

    `failing` are atoms that do not hold, as the field `fault` lists them: their nodes and relations are marked.
    """
    try:
        graph = SceneGraph.model_validate(value)
    except (ValidationError, RecursionError):
        return None
    if not graph.objects:
        return None
    names = _Names(graph)
    drawn, notes = _drawn_relations(graph)
    lines = [*map(names.whole, graph.objects), *(f"{names.edge(*key)}" for key in drawn), *notes]
    lines = [*lines[:MOST_LINES], *([f"and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else [])]
    if len(graph.objects) > MOST_NODES or len(drawn) > MOST_EDGES:
        return GraphDrawing(0, 0, (), (), tuple(notes), tuple(lines))
    return _draw(graph, names, drawn, _Failing.of(failing))._replace(notes=tuple(notes), lines=tuple(lines))


class _Names:
    """How the nodes of a graph are called: two with one label are told apart by their ids."""

    def __init__(self, graph: SceneGraph) -> None:
        self.graph = graph
        self._labels = Counter(node.label for node in graph.objects)

    def title(self, node: GraphObject) -> str:
        count = f"{node.count} \N{MULTIPLICATION SIGN} " if node.count != 1 else ""
        return f"{count}{_cut(node.label)}{f' ({_cut(node.id)})' if self._labels[node.label] > 1 else ''}"

    def whole(self, node: GraphObject) -> str:
        count = [f"count {node.count}"] if node.count != 1 else []
        about = ", ".join([*count, *(f"{each.kind} {each.value}" for each in node.attributes)])
        return _cut(f"{self._short(node)}{f': {about}' if about else ''}", MOST_SIGNS)

    def edge(self, subject: int, object: int, predicates: Sequence[str]) -> str:
        one, other = self.graph.objects[subject], self.graph.objects[object]
        return _cut(f"{self._short(one)} {', '.join(predicates)} {self._short(other)}", MOST_SIGNS)

    def _short(self, node: GraphObject) -> str:
        return f"{node.label}{f' ({node.id})' if self._labels[node.label] > 1 else ''}"


def _drawn_relations(graph: SceneGraph) -> tuple[Relations, list[str]]:
    """The relations that lines can stand for, and in words what else is to be said of a graph."""
    numbers: dict[str, int] = {}
    for number, node in enumerate(graph.objects):
        numbers.setdefault(node.id, number)
    found: dict[tuple[int, int], list[str]] = {}
    notes = [f"{name}: {value}" for name, value in (("background", graph.background), ("style", graph.style)) if value]
    for edge in graph.relations:
        ends = numbers.get(edge.subject), numbers.get(edge.object)
        if ends[0] is None or ends[1] is None:
            missing = edge.subject if ends[0] is None else edge.object
            notes.append(f"{edge.subject} {edge.predicate} {edge.object}: there is no '{missing}'")
        elif ends[0] == ends[1]:
            notes.append(f"{edge.subject} {edge.predicate} {edge.object}: a relation to itself")
        else:
            found.setdefault((ends[0], ends[1]), []).append(edge.predicate)
    drawn = [(*ends, tuple(dict.fromkeys(predicates))) for ends, predicates in found.items()]
    return drawn, [_cut(note, MOST_SIGNS) for note in notes[:MOST_LINES]]


class _Failing(NamedTuple):
    """Atoms that fail, by what they are drawn as."""

    nodes: frozenset[str]
    edges: frozenset[tuple[str, str, str]]

    @classmethod
    def of(cls, atoms: Any) -> _Failing:
        """Rows of atoms, as mappings or as lists in the order of `Atom`; others are passed over."""
        rows = [row for row in map(_atom_row, atoms if isinstance(atoms, list | tuple) else ()) if row]
        edges = {(row["subject"], row["value"], row["object"]) for row in rows if row["kind"] == "relation"}
        return cls(frozenset(row["subject"] for row in rows if row["kind"] != "relation"), frozenset(edges))


def _atom_row(atom: Any) -> dict[str, str]:
    names = ("kind", "subject", "value", "attribute", "object")
    if isinstance(atom, Mapping):
        return {name: str(atom.get(name) or "") for name in names}
    if isinstance(atom, list | tuple) and len(atom) == len(names):
        return {name: str(value or "") for name, value in zip(names, atom, strict=True)}
    return {}


def _draw(graph: SceneGraph, names: _Names, relations: Relations, failing: _Failing) -> GraphDrawing:
    sizes = [_size(node, names) for node in graph.objects]
    areas: list[Area] = [(0, 0, 0, 0)] * len(graph.objects)
    left, top, below = 0.0, 0.0, 0.0
    for part in connected_parts(len(graph.objects), relations):
        inner = [each for each in relations if each[0] in part]
        found = _pixels(grid_cells(part, inner), sizes, inner)
        width, height = (max(area[side] for area in found.values()) for side in (2, 3))
        if left and left + width > _WIDE:
            left, top = 0.0, below + _ROW_GAP / 2
        for number, area in found.items():
            areas[number] = (area[0] + left, area[1] + top, area[2] + left, area[3] + top)
        left, below = left + width + _COLUMN_GAP, max(below, top + height)
    return _fitted(graph, names, areas, list(_edges(graph, names, relations, areas, failing)), failing)


def _size(node: GraphObject, names: _Names) -> tuple[float, float]:
    detail = _detail(node)
    swatch = 18.0 if _colour(node) else 0.0
    width = max(_text_width(names.title(node), _TITLE) + swatch, _text_width(detail, _DETAIL))
    return width + 22, 46.0 if detail else 30.0


def _detail(node: GraphObject) -> str:
    return _cut(", ".join(each.value for each in node.attributes))


def _colour(node: GraphObject) -> str:
    return _COLOURS.get((node.get("colour") or node.get("color")).lower(), "")


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text_width(text: str, size: float) -> float:
    """An upper estimate for the common fonts without serifs."""
    return size * sum(1.05 if unicodedata.east_asian_width(sign) in "WF" else 0.63 for sign in text)


def _pixels(cells: Mapping[int, Cell], sizes: Sequence[tuple[float, float]], relations: Relations) -> dict[int, Area]:
    """The areas of the nodes of a part; its left upper corner is 0, 0."""
    columns = 1 + max(cell[0] for cell in cells.values())
    rows = 1 + max(cell[1] for cell in cells.values())
    widths = [max((sizes[node][0] for node, cell in cells.items() if cell[0] == column), default=0.0)
              for column in range(columns)]  # fmt: skip
    heights = [max((sizes[node][1] for node, cell in cells.items() if cell[1] == row), default=0.0)
               for row in range(rows)]  # fmt: skip
    gaps = [_COLUMN_GAP] * columns
    for subject, object, predicates in relations:
        one, other = sorted((cells[subject], cells[object]))
        if one[1] == other[1]:
            label = _text_width(_label(predicates), _DETAIL) + _EDGE_ROOM
            gaps[one[0]] = max(gaps[one[0]], label)
    lefts = [sum(widths[:column]) + sum(gaps[:column]) for column in range(columns)]
    tops = [sum(heights[:row]) + _ROW_GAP * row for row in range(rows)]
    areas = {}
    for node, (column, row) in cells.items():
        x = lefts[column] + (widths[column] - sizes[node][0]) / 2
        y = tops[row] + (heights[row] - sizes[node][1]) / 2
        areas[node] = (x, y, x + sizes[node][0], y + sizes[node][1])
    return areas


def _label(predicates: Sequence[str]) -> str:
    return _cut(", ".join(predicates))


def _edges(
    graph: SceneGraph, names: _Names, relations: Relations, areas: Sequence[Area], failing: _Failing
) -> Iterator[tuple[DrawnEdge, Sequence[Point]]]:
    joined = {(subject, object) for subject, object, _ in relations}
    labels: list[Area] = []
    for subject, object, predicates in relations:
        others = [area for number, area in enumerate(areas) if number not in (subject, object)]
        bends = BENDS_OF_TWO if (object, subject) in joined else BENDS
        points = connecting_line(areas[subject], areas[object], others=others, bends=bends)
        label = _label(predicates)
        width = _text_width(label, _DETAIL)
        area = label_area(width, _DETAIL + 4, points=points, taken=[*areas, *labels])
        labels.append(area)
        ids = graph.objects[subject].id, graph.objects[object].id
        fails = any((ids[0], predicate, ids[1]) in failing.edges for predicate in predicates)
        name = names.edge(subject, object, predicates)
        yield DrawnEdge("", "", label, (area[0] + area[2]) / 2, (area[1] + area[3]) / 2, name, fails), points


def _fitted(
    graph: SceneGraph,
    names: _Names,
    areas: Sequence[Area],
    edges: Sequence[tuple[DrawnEdge, Sequence[Point]]],
    failing: _Failing,
) -> GraphDrawing:
    """The drawing, moved so that all of it lies right of and below 0, 0."""
    corners: list[Point] = [corner for area in areas for corner in (area[:2], area[2:])]
    corners += [point for _, points in edges for point in points]
    for edge, _ in edges:
        half = _text_width(edge.label, _DETAIL) / 2
        corners += [(edge.x - half, edge.y - _DETAIL), (edge.x + half, edge.y + _DETAIL)]
    left, top = (min(corner[axis] for corner in corners) - _MARGIN for axis in (0, 1))
    right, bottom = (max(corner[axis] for corner in corners) + _MARGIN for axis in (0, 1))
    nodes = tuple(
        DrawnNode(
            round(area[0] - left, 1), round(area[1] - top, 1), round(area[2] - area[0], 1), round(area[3] - area[1], 1),
            names.title(node), _detail(node), _colour(node), names.whole(node), node.id in failing.nodes,
        )
        for node, area in zip(graph.objects, areas, strict=True)
    )  # fmt: skip
    drawn = tuple(
        edge._replace(
            path=path_data(points, left=left, top=top),
            arrow=arrow_head(points, left=left, top=top),
            x=round(edge.x - left, 1),
            y=round(edge.y - top, 1),
        )
        for edge, points in edges
    )
    return GraphDrawing(round(right - left, 1), round(bottom - top, 1), nodes, drawn, (), ())
