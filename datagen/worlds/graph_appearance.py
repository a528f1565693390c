"""What the nodes of a graph look like: the look, colour and texture of each thing, and how large it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from datagen.core.draws import Draws
from datagen.core.errors import DataError, nearest
from datagen.scene_graphs.canonical import content_of
from datagen.scene_graphs.graph import POSITIONS, GraphObject, SceneGraph
from datagen.worlds.colours import COLOURS
from datagen.worlds.photographs import Photograph
from datagen.worlds.pool import COLOUR_NAMES, Pool, load_pool
from datagen.worlds.specification import SceneSpecification
from datagen.worlds.sprites import Look

SIZES: Final = {"small": (0.42, 0.46), "": (0.60, 0.66), "large": (0.88, 0.90)}
"""Longer side of a thing over the side of a cell, least and most, by its attribute `size`.

A thing without the attribute is at least 1.3 times as long as a small one, and a large one 1.3 times as long as it.
"""


class NotDrawableError(DataError):
    """A look has no such label, attribute or relation."""


class Appearance(NamedTuple):
    """What one thing looks like, wherever it stands."""

    look: Look
    colour: str
    """A name of `COLOURS`; '' for a cutout in its own colours."""
    seed: int
    """Draws its texture."""


def pool_of(spec: SceneSpecification) -> Pool:
    """The labels, looks and colours of a specification. Raises `ConfigError` or `DataError` as `load_pool` does."""
    background = spec.background.name if isinstance(spec.background, Photograph) else ""
    folder = spec.photographs if spec.listed else ""
    return load_pool(spec.look, split=spec.split, folder=folder, background=background)


def labels_of(spec: SceneSpecification) -> tuple[str, ...]:
    """The labels that graphs of this specification may have, sorted."""
    return tuple(sorted(pool_of(spec).labels))


def check_drawable(graph: SceneGraph, spec: SceneSpecification) -> None:
    """Raise `NotDrawableError` that names the first thing of a graph that its look cannot show."""
    labels = labels_of(spec)
    ids = [node.id for node in graph.objects]
    for node in graph.objects:
        if ids.count(node.id) > 1:
            raise NotDrawableError(f"two nodes have the id '{node.id:.60}': put `validate_graph` before")
        kinds = [each.kind for each in node.attributes]
        if len(set(kinds)) < len(kinds):
            raise NotDrawableError(
                f"the node '{node.id:.60}' has two values of one of {', '.join(sorted(set(kinds))):.60}: "
                "put `validate_graph` before"
            )
        if node.label not in labels:
            raise NotDrawableError(
                f"the look '{spec.look}' has no '{node.label:.60}'; {nearest(node.label, labels)}; "
                "give `draw_graph` the same `scene`, or render other labels with a generator"
            )
        for each in node.attributes:
            known = {"colour": tuple(COLOURS), "size": tuple(filter(None, SIZES))}.get(each.kind)
            if known is None:
                raise NotDrawableError(f"no look shows the attribute '{each.kind:.60}'; they show colour and size")
            if each.value not in known:
                raise NotDrawableError(f"no look has the {each.kind} '{each.value:.60}'; {nearest(each.value, known)}")
    for edge in graph.relations:
        if edge.predicate not in POSITIONS:
            raise NotDrawableError(
                f"no look shows the relation '{edge.predicate:.60}'; they show {', '.join(POSITIONS)}"
            )
        if edge.subject == edge.object or not {edge.subject, edge.object} <= set(ids):
            raise NotDrawableError(
                f"the relation '{edge.predicate}' is between {edge.subject!r:.60} and {edge.object!r:.60}; it has to "
                "be between two nodes of the graph: put `validate_graph` before"
            )
    for name, value in (("background", graph.background), ("style", graph.style)):
        if value:
            raise NotDrawableError(f"no look shows the {name} '{value:.60}'; the options of `scene` decide it")


def free_colour(spec: SceneSpecification, *, draws: Draws, avoid: Collection[str], same: Collection[str] = ()) -> str:
    """A colour for a thing of which the graph names none: '' for a cutout, whose own it keeps.

    It is none of `avoid` if there is another, and none of `same`, those of its own label, if there is another still.
    """
    if spec.look == "cutouts":
        return ""
    order = draws.shuffle(COLOUR_NAMES)
    return next(
        (name for taken in ({*avoid, *same}, set(same)) for name in order if name not in taken),
        order[0],
    )


def appear(
    node: GraphObject, spec: SceneSpecification, *, colour: str, draws: Draws, count: int
) -> tuple[Appearance, ...]:
    """The appearances of `count` things of a node."""
    looks = pool_of(spec).looks[node.label]
    return tuple(Appearance(draws.choose(looks), colour, draws.below(1 << 32)) for _ in range(count))


def appearances_of(
    graph: SceneGraph, spec: SceneSpecification, *, order: tuple[str, ...], key: str
) -> dict[str, tuple[Appearance, ...]]:
    """How each node of a graph looks; `order` and `key` are `canonical_ids` and `content_key` of the graph."""
    nodes = {node.id: node for node in graph.objects}
    used = [nodes[id].get("colour") for id in order]
    found: dict[str, tuple[Appearance, ...]] = {}
    for rank, id in enumerate(order):
        node = nodes[id]
        draws = Draws(spec.seed, spec.number, key, rank, content_of(node))
        same = {other.get("colour") for other in graph.objects if other.label == node.label}
        colour = node.get("colour") or free_colour(spec, draws=draws, avoid=used, same=same)
        used.append(colour)
        found[id] = appear(node, spec, colour=colour, draws=draws, count=node.count)
    return found


def side_of(node: GraphObject, *, cell: int, spec: SceneSpecification) -> int:
    """Pixels of the longer side of each of a node's things, where a cell has `cell` pixels."""
    low, high = SIZES[node.get("size")]
    return max(4, int(cell * Draws(spec.seed, spec.number, "side").between(low, high)))


def extent(look: Look, side: int) -> tuple[int, int]:
    """Width and height in pixels of a thing whose longer side is `side`."""
    return max(4, int(side * min(1.0, look.aspect))), max(4, int(side * min(1.0, 1 / look.aspect)))
