"""Laws of scenes and their edits, on scenes of drawn sessions."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count
from world_sessions import specification

from datagen.core.errors import DataError
from datagen.worlds.colours import COLOURS, TONES, tone
from datagen.worlds.scene import Scene, SpatialRelation, change_of, shadow_box
from datagen.worlds.session import write_session
from datagen.worlds.sprites import ShapeLook, draw_sprite, shape_outlines

LOOKS = ("shapes", "cutouts")
# Few backgrounds, as each photograph is decoded once a process.
SCENES = st.builds(
    lambda session, look, shadow, last: write_session(specification(session, look=look, shadow=shadow)).scenes[last],
    st.integers(0, 300),
    st.sampled_from(LOOKS),
    st.sampled_from([0, 0.7]),
    st.integers(0, 4),
)
SOME = settings(max_examples=example_count(40), deadline=None)


def outside(scene: Scene, *ids: int) -> np.ndarray:
    """The pixels that the objects and their shadows cannot reach."""
    free = np.ones((scene.height, scene.width), np.bool_)
    for thing in scene.objects:
        if thing.id in ids:
            x0, y0, x1, y1 = (round(edge) for edge in thing.box)
            free[y0:y1, x0:x1] = False
            x0, y0, x1, y1 = shadow_box(thing)
            free[y0:y1, x0:x1] &= not thing.shadow
    return free


@SOME
@given(SCENES)
def test_a_scene_from_which_an_object_was_removed_never_had_it(scene: Scene) -> None:
    thing = scene.objects[0]
    without = replace(scene, objects=scene.objects[1:])
    assert np.array_equal(scene.remove(thing.id).render(), without.render())
    late = without.add(thing).change_tone("warmer").flip().remove(thing.id)
    assert np.array_equal(late.render(), without.change_tone("warmer").flip().render())


@SOME
@given(SCENES, st.sampled_from(sorted(COLOURS)))
def test_an_edit_changes_nothing_away_from_its_object(scene: Scene, colour: str) -> None:
    thing = scene.objects[-1]
    picture = scene.render()
    moved = scene.move(thing.id, x=scene.width - thing.x - thing.width, y=thing.y)
    other = replace(scene.objects[0], x=thing.x, y=thing.y, width=thing.width, height=thing.height)
    for edited in (
        scene.remove(thing.id),
        scene.recolour(thing.id, colour=colour),
        moved,
        scene.replace(thing.id, thing=other),
    ):
        free = outside(scene, thing.id) & outside(edited, thing.id)
        assert not change_of(picture, edited.render())[free].any()


@SOME
@given(SCENES)
def test_undoing_an_edit_gives_the_picture_byte_for_byte(scene: Scene) -> None:
    thing = scene.objects[0]
    bare = replace(thing, tones=())
    start = replace(scene, objects=(bare, *scene.objects[1:]))
    picture = start.render()
    assert np.array_equal(start.move(thing.id, x=0, y=0).move(thing.id, x=thing.x, y=thing.y).render(), picture)
    if thing.colour:
        there = start.recolour(thing.id, colour="green").recolour(thing.id, colour=thing.colour)
        assert np.array_equal(there.render(), picture)
    new = replace(thing, id=999)
    assert np.array_equal(start.add(new).remove(999).render(), picture)


@SOME
@given(SCENES)
def test_a_flip_mirrors_the_picture_and_two_give_it_back(scene: Scene) -> None:
    picture = scene.render()
    assert np.array_equal(scene.flip().render(), picture[:, ::-1])
    assert scene.flip().flip() == scene


@SOME
@given(SCENES, st.sampled_from(TONES))
def test_a_tone_changes_the_background_as_it_changes_a_picture(scene: Scene, name: str) -> None:
    bare = outside(scene, *(thing.id for thing in scene.objects))
    changed = scene.change_tone(name).render()
    assert np.array_equal(changed[bare], tone(scene.render(), name)[bare])


@SOME
@given(SCENES)
def test_an_object_lies_in_its_box_and_its_outline_bounds_it(scene: Scene) -> None:
    for thing in scene.objects:
        mask = thing.mask(scene.size)
        assert not mask[outside(scene, thing.id)].any()
        corners = np.array([corner for part in thing.outline for corner in part])
        assert np.allclose(corners.min(axis=0), thing.box[:2], atol=0.1)
        assert np.allclose(corners.max(axis=0), thing.box[2:], atol=0.1)
        assert thing.x >= 0
        assert thing.x + thing.width <= scene.width
        assert thing.y >= 0
        assert thing.y + thing.height <= scene.height


def test_an_object_outside_of_the_frame_is_refused() -> None:
    scene = write_session(specification(0)).first
    with pytest.raises(DataError, match=r"object 1, box .*, leaves the frame of 256x256"):
        scene.move(1, x=250, y=0)
    with pytest.raises(DataError, match="two objects have one number"):
        scene.add(scene.objects[0])


@SOME
@given(SCENES)
def test_relations_are_those_of_centres_and_have_their_opposite(scene: Scene) -> None:
    found = scene.relations()
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    for subject, predicate, object in found:
        a, b = scene.get(subject), scene.get(object)
        assert a
        assert b
        if predicate in opposite:
            assert SpatialRelation(object, opposite[predicate], subject) in found
            axis = 0 if "of" in predicate else 1
            before = a.box[axis] + a.box[axis + 2] < b.box[axis] + b.box[axis + 2]
            assert before is (predicate in ("left of", "above"))


@pytest.mark.parametrize("label", sorted(shape_outlines()))
def test_a_shape_is_recognised_by_simple_means(label: str) -> None:
    """By the nearest colour and the template that overlaps most, at the smallest size of a frame of 256 pixels."""
    for seed, colour in itertools.product(range(4), COLOURS):
        sprite = draw_sprite(ShapeLook(label), (42, 42), colour, seed)
        inner = cv2.erode((sprite.alpha_HW > 250).astype(np.uint8), np.ones((5, 5))) > 0
        mean = sprite.rgb_HWC[inner].mean(axis=0)
        assert min(COLOURS, key=lambda name: np.abs(mean - COLOURS[name]).sum()) == colour
        mask = sprite.alpha_HW > 127
        overlap = {
            name: (other & mask).sum() / (other | mask).sum()
            for name in shape_outlines()
            for other in [draw_sprite(ShapeLook(name), (42, 42), "red", 0).alpha_HW > 127]
        }
        assert max(overlap, key=lambda name: overlap[name]) == label
        assert sorted(overlap.values())[-2] < 0.9


def test_a_cutout_has_soft_edges_and_none_of_what_surrounded_it() -> None:
    scenes = [write_session(specification(number, look="cutouts")).first for number in range(8)]
    for thing in {thing for scene in scenes for thing in scene.objects}:
        alpha = thing.sprite().alpha_HW
        assert ((alpha > 0) & (alpha < 255)).any(), "its edge is soft"
        assert (alpha == 255).mean() > 0.1, thing.label


def test_a_contact_shadow_darkens_below_an_object_alone() -> None:
    scene = write_session(specification(2, look="cutouts")).first
    shadowed = replace(scene, objects=tuple(replace(thing, shadow=1) for thing in scene.objects))
    changed = scene.render().astype(int) - shadowed.render()
    assert changed.min() == 0
    assert changed.max() > 20
    assert not changed[outside(shadowed, *(thing.id for thing in scene.objects))].any()
