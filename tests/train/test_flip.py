"""Mirrored words and boxes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.train.data.flip import flipped_box, flipped_words


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("Add a cup on the left.", "Add a cup on the right."),
        ("Put it at the top right, left of the dog", "Put it at the top left, right of the dog"),
        ("Move the lamp to the RIGHT", "Move the lamp to the LEFT"),
        ("Left half: make it blue", "Right half: make it blue"),
        ("Paint the leftmost door, and her right eye, red", "Paint the rightmost door, and her left eye, red"),
        ("on the left-hand side", "on the right-hand side"),
        ("the bottom-left corner", "the bottom-right corner"),
        ("Rotate the key clockwise", "Rotate the key counterclockwise"),
        ("turn it counter-clockwise", "turn it clockwise"),
        ("swap left and right", "swap right and left"),
        ("make the sky brighter", "make the sky brighter"),
        ("a bright copyright leftover", "a bright copyright leftover"),
        ("the one to the left is larger", "the one to the right is larger"),
    ],
)
def test_sides_are_exchanged(text: str, mirrored: str) -> None:
    assert flipped_words(text) == mirrored


@pytest.mark.parametrize(
    "text",
    [
        "Add a lamp right next to the sofa",
        "put the only cup left on the table away",
        "make it all right again",
        "place a hat right on top of the head",
        "take away the apple that is left",
        "the colours are not right",
        "leave the left alone, right now",
        "draw a right angle",
    ],
)
def test_a_word_that_may_be_no_side_leaves_the_picture_as_it_is(text: str) -> None:
    assert flipped_words(text) is None


SIDES = st.sampled_from(["on the left", "to the right", "the left side", "leftmost", "top right corner", "clockwise"])
WORDS = st.sampled_from(["add", "a", "red", "cup", "dog", "house", "and", "with", "green", "hat"])


@settings(deadline=None)  # the first example imports
@given(st.lists(st.one_of(SIDES, WORDS), max_size=8).map(" ".join))
def test_mirrored_twice_is_as_it_was(text: str) -> None:
    once = flipped_words(text)
    if once is not None:
        assert flipped_words(once) == text


@settings(deadline=None)  # the first example imports
@given(st.integers(1, 50), st.integers(0, 49), st.integers(0, 50))
def test_a_box_mirrored_twice_is_as_it_was(width: int, x0: int, x1: int) -> None:
    box = (float(x0), 1.0, float(x1), 2.0)
    assert flipped_box(flipped_box(box, width=width), width=width) == box
    assert flipped_box((0, 0, width, 1), width=width) == (0, 0, width, 1)
