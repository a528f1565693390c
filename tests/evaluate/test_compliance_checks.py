"""The exact checker: the truth passes, and what is not the edit does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rings import example_count
from world_sessions import specification
from worlds_on_disk import world_dataset

import datagen
from datagen.evaluate.compliance import ComplianceChecker
from datagen.evaluate.truth import WindowTruth, WorldTruth, read_truth
from datagen.imaging.image import Pixels
from datagen.worlds.scene import Scene
from datagen.worlds.session import write_session
from datagen.worlds.sprites import ShapeLook

SESSIONS = st.integers(0, 400)
SIDES = st.sampled_from((32, 48, 96))


def seen_at(side: int) -> Callable[[Pixels], Pixels]:
    def show(image_HWC: Pixels) -> Pixels:
        if image_HWC.shape[0] == side:
            return image_HWC
        return np.asarray(cv2.resize(image_HWC, (side, side), interpolation=cv2.INTER_AREA), np.uint8)

    return show


def truth_of(session: int, *, first: int, last: int) -> WindowTruth:
    written = write_session(specification(session, width=96, height=96))
    return WindowTruth("s", written.scenes[first - 1], written.scenes[last], written.turns[first - 1 : last])


def checker_of(truth: WindowTruth, side: int) -> ComplianceChecker:
    return ComplianceChecker(truth, seen_at(side), scale=(96 / side, 96 / side))


def shown(scene: Scene, side: int) -> Pixels:
    return seen_at(side)(scene.render())


def is_plain(truth: WindowTruth) -> bool:
    """Whether the turns are about different objects in different places."""
    places = [
        {
            (thing.id, thing.x + x, thing.y + y)
            for scene in (turn.facts.before, turn.facts.after)
            for thing in map(scene.get, turn.facts.touched)
            if thing
            for x in range(-8, thing.width + 8)
            for y in range(-8, thing.height + 8)
        }
        for turn in truth.turns
    ]
    spots = [{(x, y) for _, x, y in place} for place in places]
    return all(turn.facts.touched for turn in truth.turns) and not (spots[0] & spots[1])


@given(SESSIONS, st.integers(1, 4), SIDES)
@settings(max_examples=example_count(60), deadline=None)
def test_the_truth_passes_and_a_copy_of_the_source_never_does(session: int, turn: int, side: int) -> None:
    truth = truth_of(session, first=turn, last=turn)
    checker = checker_of(truth, side)
    for true, copied in zip(
        checker.check(shown(truth.after, side)), checker.check(shown(truth.before, side)), strict=True
    ):
        assert (true.right, copied.right) in ((True, False), (None, None))


@given(SESSIONS, st.integers(1, 3))
@settings(max_examples=example_count(40), deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_of_two_edits_each_is_checked_by_itself(session: int, first: int) -> None:
    truth = truth_of(session, first=first, last=first + 1)
    assume(is_plain(truth))
    checker = checker_of(truth, 96)
    half = checker.check(shown(truth.turns[0].facts.after, 96))  # the first is done, the second is not
    assert half[0].right in (True, None)
    assert half[1].right in (False, None)


def first_of(op: str, *, start: int = 0) -> WindowTruth:
    """A drawn edit of an operation, of one object that shows well."""
    for session in range(start, 400):
        written = write_session(specification(session, width=96, height=96))
        for number, turn in enumerate(written.turns, 1):
            thing = turn.facts.after.get(turn.facts.touched[0]) if turn.facts.touched else None
            bright = thing is not None and thing.colour in ("red", "yellow", "cyan")
            if turn.op == op and len(turn.facts.touched) == 1 and (bright or op == "remove"):
                return truth_of(session, first=number, last=number)
    raise AssertionError(op)


def right_of(truth: WindowTruth, output: Pixels, side: int = 32) -> bool | None:
    (check,) = checker_of(truth, side).check(output)
    return check.right


@pytest.mark.parametrize("op", ["add", "change", "replace", "move"])
def test_another_colour_or_shape_is_wrong(op: str) -> None:
    truth = first_of(op)
    id = truth.turns[0].facts.touched[0]
    thing = truth.after.get(id)
    assert thing is not None
    colour = "blue" if thing.colour != "blue" else "red"
    assert right_of(truth, shown(truth.after.recolour(id, colour=colour), 32)) is False
    label = "square" if thing.label in ("ring", "cross", "star", "heart") else "cross"
    other = replace(thing, look=ShapeLook(label))
    assert right_of(truth, shown(truth.after.replace(id, thing=other), 32)) is False


@pytest.mark.parametrize("op", ["add", "remove", "change", "replace", "move"])
def test_half_of_an_edit_is_wrong_and_noise_does_not_matter(op: str) -> None:
    truth = first_of(op)
    after, before = (shown(scene, 32).astype(np.float32) for scene in (truth.after, truth.before))
    assert right_of(truth, ((after + before) / 2).astype(np.uint8)) is False
    assert right_of(truth, (0.6 * after + 0.4 * before).astype(np.uint8)) is False
    assert right_of(truth, (0.9 * after + 0.1 * before).astype(np.uint8)) is True
    noise = np.random.default_rng(0).normal(0, 8, after.shape)
    assert right_of(truth, np.clip(after + noise, 0, 255).astype(np.uint8)) is True
    assert right_of(truth, np.clip(before + noise, 0, 255).astype(np.uint8)) is False


def test_what_is_added_may_lie_a_little_elsewhere_and_not_far() -> None:
    truth = first_of("add")
    id = truth.turns[0].facts.touched[0]
    thing = truth.after.get(id)
    assert thing is not None
    step = 3 if thing.x + thing.width + 3 <= 96 else -3
    assert right_of(truth, shown(truth.after.move(id, x=thing.x + step, y=thing.y), 32)) is True
    far = (thing.x + 48) % (96 - thing.width)
    assert right_of(truth, shown(truth.after.move(id, x=far, y=thing.y), 32)) is False


def test_a_blot_over_the_place_is_not_the_shape() -> None:
    truth = first_of("add")
    thing = truth.after.get(truth.turns[0].facts.touched[0])
    assert thing is not None
    output = shown(truth.before, 96).copy()
    inside = thing.mask((96, 96))
    output[thing.y : thing.y + thing.height, thing.x : thing.x + thing.width] = shown(truth.after, 96)[inside].mean(0)
    assert thing.label not in ("square", "circle")  # of which a blot would be the shape
    assert right_of(truth, output, 96) is False


def test_a_replacement_beside_which_the_old_thing_stays_is_wrong() -> None:
    truth = first_of("move")
    facts = truth.turns[0].facts
    old = facts.before.get(facts.touched[0])
    assert old is not None
    both = truth.after.add(replace(old, id=99))
    assert right_of(truth, shown(both, 96), 96) is False


# On datasets


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_dataset(tmp_path_factory.mktemp("worlds"), sessions=16)


@pytest.mark.parametrize("side", [32, 96])
def test_the_targets_of_a_dataset_pass_and_its_sources_do_not(worlds: Path, side: int) -> None:
    """The bounds that were fixed beforehand: at least 98 % of the truth, nothing of the copied source."""
    truth = read_truth(str(worlds))
    assert isinstance(truth, WorldTruth)
    true, copied = [], []
    for sample in datagen.open(str(worlds)):
        window = truth.find(sample.key)
        assert window is not None
        checker = checker_of(window, side)
        show = seen_at(side)
        assert checker.fits(show(sample.source))
        assert len(window.turns) == len(sample.info["edits"])
        true += [check.right for check in checker.check(show(sample.target)) if check.right is not None]
        copied += [check.right for check in checker.check(show(sample.source)) if check.right is not None]
    assert len(true) > 60
    assert np.mean(true) >= 0.98
    assert not any(copied)


def test_the_bounds_of_edits_are_where_the_pictures_differ(worlds: Path) -> None:
    truth = read_truth(str(worlds))
    assert isinstance(truth, WorldTruth)
    for sample in datagen.open(str(worlds))[:20]:
        window = truth.find(sample.key)
        assert window is not None
        boxes = checker_of(window, 96).boxes()
        outside = np.ones((96, 96), np.bool_)
        for x0, y0, x1, y1 in boxes:
            outside[int(y0) : int(y1), int(x0) : int(x1)] = False
        assert np.array_equal(sample.source[outside], sample.target[outside])


def test_where_the_truth_is_not_known_it_says_why(worlds: Path, tmp_path: Path) -> None:
    copy = tmp_path / "out"
    shutil.copytree(worlds, copy)
    (copy / "run" / "config.yaml").write_text("source: {kind: images, path: photos}\n")
    assert "its source is of kind 'images', not `world`" in str(read_truth(str(copy)))
    (copy / "run" / "config.yaml").write_text("source: {kind: world, count: many}\n")
    assert "its run cannot be read" in str(read_truth(str(copy)))
    (copy / "run" / "config.yaml").unlink()
    assert "has no run/config.yaml" in str(read_truth(str(copy)))


def test_a_damaged_session_has_no_exact_truth(tmp_path: Path) -> None:
    out = world_dataset(tmp_path, sessions=3, damages=["grain"])
    truth = read_truth(str(out))
    assert isinstance(truth, WorldTruth)
    assert all(truth.find(sample.key) is None for sample in datagen.open(str(out)))
    assert truth.find("no-such-sample") is None
