"""Laws of scenes of graphs: all that a graph says holds in its scene, and scenes of one plan differ only where they should."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_graphs import draw_shapes, mirror, renamed, with_changes
from rings import example_count

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.scene_graphs.canonical import canonical_ids, content_key, content_of
from datagen.scene_graphs.graph import Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.positions import stands
from datagen.worlds.changed_layout import Wanted, lay_out_near
from datagen.worlds.colours import COLOURS, QUIET
from datagen.worlds.graph_appearance import NotDrawableError, labels_of
from datagen.worlds.graph_scene import scene_of, spoilt_scene, things_of
from datagen.worlds.photographs import own_photographs
from datagen.worlds.scene import Scene, changed_pixels
from datagen.worlds.scene_grid import NoRoomError, clearly_stands
from datagen.worlds.specification import SceneSpecification

SOME = settings(max_examples=example_count(60), deadline=None)
SEEDS = st.integers(0, 10**6)
CYAN = GraphObject(id="new", label="ring", attributes=(Attribute(kind="colour", value="cyan"),))


def spec_of(seed: int, **options: object) -> SceneSpecification:
    return SceneSpecification.model_validate({"number": seed, **options})


def drawn(seed: int, spec: SceneSpecification) -> tuple[SceneGraph, Scene]:
    """A graph that has a scene, and the scene."""
    graph = draw_shapes(seed)
    try:
        return graph, scene_of(graph, spec)
    except NoRoomError:
        assume(False)
        raise


def check_holds(scene: Scene, graph: SceneGraph) -> None:
    for node in graph.objects:
        things = things_of(scene, node.id)
        assert len(things) == node.count
        assert {thing.label for thing in things} == {node.label}
        assert not node.get("colour") or {thing.colour for thing in things} == {node.get("colour")}
    for edge in graph.relations:
        for one, other in itertools.product(things_of(scene, edge.subject), things_of(scene, edge.object)):
            assert stands(edge.predicate, one.box, other.box)
    for one, other in itertools.combinations(scene.objects, 2):
        assert any(one.box[axis + 2] < other.box[axis] or other.box[axis + 2] < one.box[axis] for axis in (0, 1)), (
            "things stand apart"
        )
    assert len(scene.objects) == sum(node.count for node in graph.objects)


def boxes(scene: Scene, ids: Sequence[str]) -> dict[str, list[tuple[float, float, float, float]]]:
    return {id: [thing.box for thing in things_of(scene, id)] for id in ids}


@SOME
@given(SEEDS)
def test_all_that_a_graph_says_holds_in_its_scene(seed: int) -> None:
    graph, scene = drawn(seed, spec_of(seed))
    check_holds(scene, graph)


@SOME
@given(SEEDS)
def test_graphs_of_equal_content_give_equal_bytes(seed: int) -> None:
    spec = spec_of(seed, shadow=0.5)
    graph, scene = drawn(seed, spec)
    other = renamed(graph, seed)
    assert content_key(other) == content_key(graph)
    nodes, others = ({node.id: node for node in each.objects} for each in (graph, other))
    pairs = zip(canonical_ids(graph), canonical_ids(other), strict=True)
    assert all(content_of(nodes[one]) == content_of(others[two]) for one, two in pairs)
    assert np.array_equal(scene_of(other, spec).render(), scene.render())


def test_graphs_that_say_something_else_have_another_key() -> None:
    graph = draw_shapes(3)
    edge = graph.relations[0]
    more = with_changes(graph, edge.subject, count=9)
    assert len({content_key(each) for each in (graph, mirror(graph, edge), more)}) == 3
    # Two equal nodes whose relations tell them apart, and two circles of which only relations to equal nodes differ.
    ring = [GraphObject(id=id, label="ring") for id in "abcd"]
    path = [GraphRelation(subject=a, predicate="left of", object=b) for a, b in ("ab", "bc", "cd")]
    fork = [GraphRelation(subject=a, predicate="left of", object=b) for a, b in ("ab", "ac", "ad")]
    keys = {content_key(SceneGraph(objects=tuple(ring), relations=tuple(edges))) for edges in (path, fork)}
    assert len(keys) == 2


@SOME
@given(SEEDS, st.data())
def test_a_beginning_of_a_plan_stands_where_it_stands_at_the_end(seed: int, data: st.DataObject) -> None:
    spec = spec_of(seed)
    graph, scene = drawn(seed, spec)
    ids = data.draw(st.lists(st.sampled_from([node.id for node in graph.objects]), unique=True))
    part = graph.subgraph(ids)
    begun = scene_of(part, spec, final=graph)
    check_holds(begun, part)
    assert boxes(begun, ids) == boxes(scene, ids)
    assert begun.background == scene.background
    assert np.array_equal(scene_of(graph, spec, final=graph).render(), scene.render())


@SOME
@given(SEEDS, st.data())
def test_what_a_plan_changes_later_stands_in_its_place_before(seed: int, data: st.DataObject) -> None:
    spec = spec_of(seed)
    graph, scene = drawn(seed, spec)
    node = data.draw(st.sampled_from(graph.objects))
    bare = with_changes(graph, node.id, attributes=tuple(each for each in node.attributes if each.kind != "colour"))
    early = scene_of(bare, spec, final=graph)
    assert boxes(early, [node.id]) == boxes(scene, [node.id])
    if node.get("colour"):
        assert node.get("colour") not in {thing.colour for thing in things_of(early, node.id)}, "the change shows"
    else:
        assert np.array_equal(early.render(), scene.render())
    swapped = with_changes(graph, node.id, label="cross" if node.label != "cross" else "heart")
    check_holds(scene_of(swapped, spec, final=graph), swapped)
    assert boxes(scene_of(swapped, spec, final=graph), [node.id]) == boxes(scene, [node.id])


@SOME
@given(SEEDS)
def test_a_detour_stands_where_nothing_ever_does(seed: int) -> None:
    spec = spec_of(seed)
    graph, _scene = drawn(seed, spec)
    # What is equal to an object of the plan stands in its place until it comes.
    assume(all(content_of(node) != content_of(CYAN) for node in graph.objects))
    places = []
    for count in range(len(graph.objects) + 1):
        part = graph.subgraph({node.id for node in graph.objects[:count]})
        detour = part.model_copy(update={"objects": (*part.objects, CYAN)})
        try:
            begun = scene_of(detour, spec, final=graph)
        except NoRoomError:
            assume(False)
        check_holds(begun, detour)
        places.append(things_of(begun, "new")[0])
    assert all((place.box, place.seed) == (places[0].box, places[0].seed) for place in places)


@SOME
@given(SEEDS, st.data())
def test_a_spoilt_scene_shows_the_spoilt_graph_and_keeps_the_rest(seed: int, data: st.DataObject) -> None:
    spec = spec_of(seed)
    graph, scene = drawn(seed, spec)
    node = data.draw(st.sampled_from(graph.objects))
    others = [each.id for each in graph.objects if each.id != node.id]
    colour = data.draw(st.sampled_from(sorted(COLOURS)))
    same_place = [
        with_changes(graph, node.id, attributes=(Attribute(kind="colour", value=colour),)),
        graph.subgraph(others),
        *([with_changes(graph, node.id, count=node.count - 1)] if node.count > 1 else []),
    ]
    for spoilt in same_place:
        if any(each.kind == "size" for each in node.attributes):
            continue
        shown = spoilt_scene(spoilt, graph, spec)
        check_holds(shown, spoilt)
        changed = changed_pixels(scene.render(), shown.render())
        assert not (changed & ~_reach(scene, node.id)).any()
    for spoilt in (
        with_changes(graph, node.id, count=node.count + 1),
        graph.model_copy(update={"objects": (*graph.objects, CYAN)}),
        *(mirror(graph, edge) for edge in graph.relations),
    ):
        try:
            check_holds(spoilt_scene(spoilt, graph, spec), spoilt)
        except NoRoomError:
            continue


def _reach(scene: Scene, id: str) -> np.ndarray:
    reach = np.zeros((scene.height, scene.width), np.bool_)
    for thing in things_of(scene, id):
        reach[thing.y : thing.y + thing.height, thing.x : thing.x + thing.width] = True
    return reach


def test_a_mended_graph_gives_the_clean_scene_under_another_id() -> None:
    spec = spec_of(5)
    graph = draw_shapes(5)
    node = graph.objects[-1]
    spoilt = graph.subgraph({each.id for each in graph.objects[:-1]})
    assert spoilt_scene(spoilt, graph, spec).render().shape == (256, 256, 3)
    edges = [each.model_dump() for each in graph.relations if node.id in (each.subject, each.object)]
    renaming = {node.id: "fresh"}
    added = [GraphRelation(**{key: renaming.get(value, value) for key, value in edge.items()}) for edge in edges]
    mended = spoilt.model_copy(
        update={
            "objects": (*spoilt.objects, node.model_copy(update={"id": "fresh"})),
            "relations": (*spoilt.relations, *added),
        }
    )
    for final in (None, graph):
        scenes = (scene_of(each, spec, final=final) for each in (mended, graph))
        assert np.array_equal(*(scene.render() for scene in scenes))


def test_only_the_nodes_that_a_fault_moves_leave_their_places() -> None:
    nodes = tuple(GraphObject(id=id, label=label) for id, label in (("a", "circle"), ("b", "star")))
    graph = SceneGraph(objects=nodes, relations=(GraphRelation(subject="a", predicate="left of", object="b"),))
    for number, moved in itertools.product(range(20), ("a", "b")):
        spec = spec_of(number)
        clean, other = scene_of(graph, spec), "b" if moved == "a" else "a"
        try:
            shown = spoilt_scene(mirror(graph, graph.relations[0]), graph, spec, moved=[moved])
        except NoRoomError:
            continue
        assert boxes(shown, [other]) == boxes(clean, [other])
        assert boxes(shown, [moved]) != boxes(clean, [moved])


def test_sizes_differ_clearly() -> None:
    sizes = ("small", "", "large")
    nodes = [
        GraphObject(
            id=size or "plain", label="circle", attributes=(Attribute(kind="size", value=size),) if size else ()
        )
        for size in sizes
    ]
    for number in range(20):
        scene = scene_of(SceneGraph(objects=tuple(nodes)), spec_of(number))
        small, plain, large = (things_of(scene, size or "plain")[0].width for size in sizes)
        assert small * 1.25 < plain < large / 1.25


def test_names_of_things_without_a_colour_stay_clear() -> None:
    nodes = [GraphObject(id=name, label="star", attributes=(Attribute(kind="colour", value=name),)) for name in COLOURS]
    for left in range(1, len(COLOURS)):
        used = set(list(COLOURS)[:left])
        graph = SceneGraph(objects=(*nodes[:left], GraphObject(id="bare", label="star")))
        (bare,) = things_of(scene_of(graph, spec_of(left)), "bare")
        assert bare.colour not in used
    full = SceneGraph(objects=(*nodes, GraphObject(id="bare", label="star")))
    assert things_of(scene_of(full, spec_of(0)), "bare")[0].colour in COLOURS


@pytest.mark.parametrize("split", ["tuned", "held_out"])
def test_cutouts_stand_as_the_graph_says(split: str) -> None:
    photographs = [photo.model_copy(update={"object": ()}) for photo in own_photographs().backgrounds(split)]
    for number in range(12):
        spec = spec_of(number, look="cutouts", split=split, background=photographs[number % len(photographs)])
        labels, draws = labels_of(spec), Draws(number)
        graph = draw_shapes(number)
        for node in graph.objects:
            graph = with_changes(graph, node.id, label=draws.choose(labels))
        try:
            scene = scene_of(graph, spec)
        except NoRoomError:
            continue
        check_holds(scene, graph)
        assert scene.render().shape == (256, 256, 3)


@pytest.mark.parametrize(("width", "height"), [(96, 96), (320, 128), (128, 512)])
def test_frames_of_any_shape_are_used(width: int, height: int) -> None:
    scenes = 0
    for seed in range(30):
        graph, spec = draw_shapes(seed, most_things=4), spec_of(seed, width=width, height=height)
        try:
            scene = scene_of(graph, spec)
        except NoRoomError:
            continue
        check_holds(scene, graph)
        scenes += 1
    assert scenes > 10


def test_twenty_things_fit_and_more_than_there_are_cells_do_not() -> None:
    many = SceneGraph(objects=(GraphObject(id="a", label="star", count=20),))
    assert len(scene_of(many, spec_of(0)).objects) == 20
    with pytest.raises(NoRoomError, match=r"no room: 37 things in 256x256, which has cells for 36"):
        scene_of(with_changes(many, "a", count=37), spec_of(0))


def test_a_circle_of_relations_has_no_room() -> None:
    nodes = tuple(GraphObject(id=id, label="star") for id in "abc")
    circle = tuple(GraphRelation(subject=a, predicate="above", object=b) for a, b in ("ab", "bc", "ca"))
    with pytest.raises(NoRoomError, match=r"no room: 3 things and 3 relations do not fit 256x256"):
        scene_of(SceneGraph(objects=nodes, relations=circle), spec_of(0))


RING = GraphObject(id="a", label="ring")


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (SceneGraph(objects=(GraphObject(id="a", label="rings"),)), "has no 'rings'; did you mean 'ring'?"),
        (
            SceneGraph(objects=(RING.model_copy(update={"attributes": (Attribute(kind="colour", value="rde"),)}),)),
            "no look has the colour 'rde'; did you mean 'red'?",
        ),
        (
            SceneGraph(objects=(RING.model_copy(update={"attributes": (Attribute(kind="state", value="wet"),)}),)),
            "no look shows the attribute 'state'",
        ),
        (
            SceneGraph(
                objects=(RING, RING.model_copy(update={"id": "b"})),
                relations=(GraphRelation(subject="a", predicate="on", object="b"),),
            ),
            "no look shows the relation 'on'; they show left of, right of, above, below",
        ),
        (
            SceneGraph(objects=(RING,), relations=(GraphRelation(subject="a", predicate="above", object="a"),)),
            "it has to be between two nodes of the graph: put `validate_graph` before",
        ),
        (SceneGraph(objects=(RING, RING)), "two nodes have the id 'a': put `validate_graph` before"),
        (
            SceneGraph(objects=(RING.model_copy(update={"attributes": (*CYAN.attributes, *CYAN.attributes)}),)),
            "the node 'a' has two values of one of colour",
        ),
        (SceneGraph(objects=(RING,), background="in a kitchen"), "no look shows the background 'in a kitchen'"),
        (SceneGraph(objects=(RING,), style="an oil painting"), "no look shows the style 'an oil painting'"),
    ],
)
def test_what_a_look_has_not_is_named(graph: SceneGraph, message: str) -> None:
    for draw in (
        lambda: scene_of(graph, spec_of(0)),
        lambda: scene_of(graph, spec_of(0), final=SceneGraph(objects=(RING,))),
        lambda: spoilt_scene(graph, SceneGraph(objects=(RING,)), spec_of(0)),
    ):
        with pytest.raises(NotDrawableError) as caught:
            draw()
        assert message in str(caught.value)
        assert isinstance(caught.value, DataError)


@SOME
@given(st.lists(st.integers(0, 60), min_size=8, max_size=8), st.sampled_from(["left of", "right of", "above", "below"]))
def test_what_stands_clearly_stands_by_the_published_rule(edges: list[int], predicate: str) -> None:
    one, other = ((x, y, x + 1 + w, y + 1 + h) for x, y, w, h in (edges[:4], edges[4:]))
    if clearly_stands(predicate, one, other):
        assert stands(predicate, one, other)


def test_plain_backgrounds_are_quiet_and_no_colour_of_an_object() -> None:
    for tone, level in QUIET.items():
        picture = scene_of(SceneGraph(), spec_of(1, background=tone)).render().astype(int)
        assert np.abs(picture - np.array(level)).max() < 40
        assert picture.std(axis=(0, 1)).max() < 10
        nearest = min(np.linalg.norm(np.array(level) - np.array(colour)) for colour in COLOURS.values())
        assert nearest > 60
    flipped = scene_of(SceneGraph(), spec_of(1)).flip().change_tone("darker").render()
    assert flipped.mean() < scene_of(SceneGraph(), spec_of(1)).render().mean()


def test_where_nothing_may_move_what_does_not_hold_has_no_room() -> None:
    graph = SceneGraph(
        objects=(GraphObject(id="a", label="star"), GraphObject(id="b", label="ring")),
        relations=(GraphRelation(subject="a", predicate="left of", object="b"),),
    )
    spec = spec_of(1)
    right, left = (things_of(scene_of(graph, spec), id) for id in ("b", "a"))
    wanted = [
        Wanted(node, tuple(replace(thing, node=node.id) for thing in things), ())
        for node, things in zip(graph.objects, (right, left), strict=True)
    ]
    with pytest.raises(NoRoomError, match=r"^no room: the changed graph"):
        lay_out_near(wanted, graph, spec, cell=64)
    found = lay_out_near(wanted, graph, spec, cell=64, movable=("a", "b"))
    assert clearly_stands("left of", found.things["a"][0].box, found.things["b"][0].box)
