"""Scenes of graphs: of a whole graph, of the beginning of a plan, and of a graph that one fault has spoilt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from pydantic import ValidationError

from datagen.core.draws import Draws
from datagen.core.errors import DatagenError
from datagen.core.fields import Box
from datagen.core.stage import Failed, Reject
from datagen.scene_graphs.canonical import canonical_ids, content_of
from datagen.scene_graphs.graph import OPPOSITES, GraphObject, SceneGraph
from datagen.worlds.changed_layout import Wanted, lay_out_near
from datagen.worlds.graph_appearance import NotDrawableError, appear, check_drawable, extent, free_colour, side_of
from datagen.worlds.graph_layout import lay_out
from datagen.worlds.photographs import Photograph
from datagen.worlds.scene import Background, PlainBackground, Scene, SceneObject
from datagen.worlds.scene_grid import NoRoomError, SceneLayout
from datagen.worlds.specification import SceneSpecification


def scene_of(graph: SceneGraph, spec: SceneSpecification, *, final: SceneGraph | None = None) -> Scene:
    """The scene of a graph. Graphs of equal content give scenes of equal bytes.

    `final` is the last graph of a plan to which `graph` belongs. Nodes that it has, by id, stand where they stand in
    its own scene. What it has under an id, but with another label, attribute or count, is shown as `graph` says in the
    same place. Other nodes stand where nothing of `final` does, so that a later step moves nothing. A thing's
    `node` is its node's id.

    Raises `NotDrawableError` for what the look has not, and `NoRoomError` where things do not fit.
    """
    return _scene(_layout(graph, spec, final), spec)


def spoilt_scene(
    spoilt: SceneGraph,
    clean: SceneGraph,
    spec: SceneSpecification,
    *,
    final: SceneGraph | None = None,
    moved: Collection[str] = (),
) -> Scene:
    """The scene of a spoilt graph that differs as little as possible from `scene_of(clean, spec, final=final)`.

    Nodes correspond by id. All atoms of `spoilt` hold. Where a relation of it does not hold in the clean scene, the
    things of the nodes `moved` leave their places; if it is empty, those of as few nodes as possible, subjects first.
    Errors as of `scene_of`.
    """
    base = _layout(clean, spec, final)
    later = _Origin(final, lay_out(final, spec)) if final is not None else None
    return _scene(
        _follow(spoilt, spec, _Origin(clean, base), later=later, moved=moved, movable=canonical_ids(spoilt)), spec
    )


class _Origin(NamedTuple):
    """A graph and its layout, from which others are made."""

    graph: SceneGraph
    layout: SceneLayout

    def boxes_beside(self, counts: Mapping[str, int]) -> list[Box]:
        """The boxes of all its things but the first few of some nodes, whose numbers are given."""
        return [thing.box for id, things in self.layout.things.items() for thing in things[counts.get(id, 0) :]]


def _layout(graph: SceneGraph, spec: SceneSpecification, final: SceneGraph | None) -> SceneLayout:
    if final is None:
        return lay_out(graph, spec)
    return _follow(graph, spec, _Origin(final, lay_out(final, spec)))


def _scene(layout: SceneLayout, spec: SceneSpecification) -> Scene:
    things = [thing for things in layout.things.values() for thing in things]
    # What stands lower lies over the shadow of what stands higher, whatever order the nodes have.
    things.sort(key=lambda thing: (thing.y + thing.height, thing.x))
    numbered = tuple(replace(thing, id=number) for number, thing in enumerate(things, 1))
    return Scene(spec.width, spec.height, _background(spec), numbered)


def _background(spec: SceneSpecification) -> Background | PlainBackground:
    draws = Draws(spec.seed, spec.number, "background")
    photo = spec.background
    if not isinstance(photo, Photograph):
        return PlainBackground(photo, draws.below(1 << 32))
    place = draws.between(0, 1), draws.between(0, 1), draws.between(0.6, 1)
    return Background(photo.uri, spec.photographs, photo.sha256, *place, mirrored=draws.happens(0.5))


def _follow(
    graph: SceneGraph,
    spec: SceneSpecification,
    origin: _Origin,
    *,
    later: _Origin | None = None,
    moved: Collection[str] = (),
    movable: Collection[str] = (),
) -> SceneLayout:
    """The layout of a graph that differs as little as possible from that of another."""
    check_drawable(graph, spec)
    matches = _matches(graph, origin.graph)
    nodes = {node.id: node for node in graph.objects}
    counts = {match: nodes[id].count for id, match in matches.items()}
    avoid = origin.boxes_beside(counts)
    if later is not None:
        # Also clear of what comes in later steps: a fault looks the same in all of them.
        avoid += later.boxes_beside({node.id: max(node.count, counts.get(node.id, 0)) for node in origin.graph.objects})
    equals: Counter[str] = Counter()
    wanted = []
    for id in canonical_ids(graph):
        content = content_of(nodes[id])
        draws = Draws(spec.seed, spec.number, content, equals[content], "follow")
        equals[content] += 1
        wanted.append(_wanted(nodes[id], spec, graph, origin, match=matches.get(id, ""), draws=draws))
    return lay_out_near(wanted, graph, spec, cell=origin.layout.cell, avoid=avoid, moved=moved, movable=movable)


def _wanted(
    node: GraphObject, spec: SceneSpecification, graph: SceneGraph, origin: _Origin, *, match: str, draws: Draws
) -> Wanted:
    """The things of a node: those that its counterpart in the origin has, changed as the node says, and new ones."""
    former, known = origin.graph.get(match), origin.layout.things.get(match, ())[: node.count]
    colour = node.get("colour")
    if not colour and former is not None and known and not former.get("colour"):
        colour = known[0].colour
    elif not colour:
        used = [thing.colour for things in origin.layout.things.values() for thing in things]
        same = {other.get("colour") for other in graph.objects if other.label == node.label}
        colour = free_colour(spec, draws=draws, avoid=used, same=same)
    new = appear(node, spec, colour=colour, draws=draws, count=node.count)
    has_label = former is not None and former.label == node.label
    side = side_of(node, cell=origin.layout.cell, spec=spec)
    placed = []
    for thing, (look, _, seed) in zip(known, new, strict=False):
        look, seed = (thing.look, thing.seed) if has_label else (look, seed)
        size = extent(look, side)
        x, y = (
            min(max(corner + (old - wide) // 2, 0), most - wide)
            for corner, old, wide, most in zip(
                (thing.x, thing.y), (thing.width, thing.height), size, (spec.width, spec.height), strict=True
            )
        )
        placed.append(SceneObject(0, look, x, y, *size, colour=colour, seed=seed, shadow=spec.shadow, node=node.id))
    unplaced = [
        SceneObject(0, look, 0, 0, *extent(look, side), colour=colour, seed=seed, shadow=spec.shadow, node=node.id)
        for look, colour, seed in new[len(known) :]
    ]
    grown = any(now.width > then.width or now.height > then.height for now, then in zip(placed, known, strict=True))
    return Wanted(node, tuple(placed), tuple(unplaced), grown)


def _matches(graph: SceneGraph, origin: SceneGraph) -> dict[str, str]:
    """Which node of the origin each node is: that of its id, else a missing one of equal content and relations."""
    ids = {node.id for node in origin.objects}
    matches = {node.id: node.id for node in graph.objects if node.id in ids}
    for node in graph.objects:
        if node.id in matches:
            continue
        for other in origin.objects:
            if other.id in matches.values() or content_of(other) != content_of(node):
                continue
            if _ends(node.id, graph, matches) == _ends(other.id, origin, {id: id for id in matches.values()}):
                matches[node.id] = other.id
                break
    return matches


def _ends(id: str, graph: SceneGraph, names: dict[str, str]) -> set[tuple[str, str]]:
    """How a node stands to others that have names."""
    found = {
        (edge.predicate, names[edge.object]) for edge in graph.relations if edge.subject == id and edge.object in names
    }
    return found | {
        (OPPOSITES[edge.predicate], names[edge.subject])
        for edge in graph.relations
        if edge.object == id and edge.subject in names
    }


def unrendered(error: DatagenError | ValidationError, *, what: str) -> Reject | Failed:
    """What a stage answers of what cannot be rendered: a rejection as `no_room` or `not_drawable`, else a failure.

    `what` names it, such as `scene`.
    """
    if isinstance(error, NoRoomError):
        return Reject("no_room", str(error))
    if isinstance(error, NotDrawableError):
        return Reject("not_drawable", str(error))
    return Failed(f"{what} cannot be rendered: {error}")


def things_of(scene: Scene, node: str) -> Sequence[SceneObject]:
    """The things of a node of the graph that a scene was made from, in the order of the scene."""
    return [thing for thing in scene.objects if thing.node == node]
