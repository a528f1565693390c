"""Instructions decomposed by rules: operations, objects, what they rely on, and what is not understood."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.models.grammar import (
    CUES,
    LONGEST_EDIT,
    OPERATIONS,
    contradicts,
    decompose_edit,
    kind_of,
    may_be_same,
    pluralize,
    singularize,
)

POLITE = (
    "{}",
    "Please {}.",
    "could you {}, please?",
    "I'd like you to {}",
    "Now {}!",
    "Would you kindly {}",
    "let's {}",
)
"""Ways to ask that change nothing."""


def short(text: str) -> list[tuple[str, str, str]]:
    return [(part.op, part.object, part.renamed_to) for part in decompose_edit(text)]


@pytest.mark.parametrize("polite", POLITE)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("add a red star at the top left", ("add", "red star", "")),
        ("put a blue ring below the star", ("add", "blue ring", "")),
        ("insert an orange cup", ("add", "orange cup", "")),
        ("draw a star in red", ("add", "red star", "")),
        ("give the cat a hat", ("add", "hat", "")),
        ("remove the star", ("remove", "star", "")),
        ("get rid of the star", ("remove", "star", "")),
        ("take the star away", ("remove", "star", "")),
        ("take out the star", ("remove", "star", "")),
        ("wipe out the star", ("remove", "star", "")),
        ("make the star disappear", ("remove", "star", "")),
        ("drop the star", ("remove", "star", "")),
        ("replace the star with a blue ring", ("replace", "star", "blue ring")),
        ("swap the star for a blue ring", ("replace", "star", "blue ring")),
        ("substitute a blue ring for the star", ("replace", "star", "blue ring")),
        ("trade the star for a ring", ("replace", "star", "ring")),
        ("put a ring where the star is", ("replace", "star", "ring")),
        ("turn the cat into a dog", ("replace", "cat", "dog")),
        ("turn the red ball blue", ("change", "red ball", "blue ball")),
        ("change the star's colour to blue", ("change", "star", "blue star")),
        ("change the color of the star to blue", ("change", "star", "blue star")),
        ("change the colour of the red star to blue", ("change", "red star", "blue star")),
        ("recolor the star to purple", ("change", "star", "purple star")),
        ("make the star bigger", ("change", "star", "")),
        ("move the star to the right", ("move", "star", "")),
        ("shift the star a bit up", ("move", "star", "")),
        ("bring the star closer to the ring", ("move", "star", "")),
        ("put the star in the corner", ("move", "star", "")),
        ("make the picture brighter", ("global", "", "")),
        ("convert the photo to greyscale", ("global", "", "")),
        ("increase the contrast", ("global", "", "")),
        ("undo the last edit", ("undo", "", "")),
        ("go back to the previous version", ("undo", "", "")),
        ("put the cat back", ("undo", "cat", "")),
    ],
)
def test_an_operation_and_its_object_are_read_however_politely(
    text: str, found: tuple[str, str, str], polite: str
) -> None:
    assert short(polite.format(text)) == [found]


@pytest.mark.parametrize(
    "text",
    ["never mind", "Scratch that.", "take that back", "cancel the previous change", "Actually, revert it", "forget it"],
)
def test_words_that_take_an_edit_back(text: str) -> None:
    assert [part.op for part in decompose_edit(text)] == ["undo"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Put a cat on the sofa. Make it orange.", [("add", "cat", ""), ("change", "cat", "orange cat")]),
        ("There is a red ball at the left. Delete it.", [("remove", "red ball", "")]),
        ("The lamp is too dark. Make it brighter.", [("change", "lamp", "")]),
        ("I don't like the ring. Please get rid of it.", [("remove", "ring", "")]),
        ("remove the cup and add a plate", [("remove", "cup", ""), ("add", "plate", "")]),
        ("insert a purple square and a red circle", [("add", "purple square", ""), ("add", "red circle", "")]),
        ("remove the star and the ring", [("remove", "star", ""), ("remove", "ring", "")]),
        ("add a star, then paint it red", [("add", "star", ""), ("change", "star", "red star")]),
        ("Add three apples", [("add", "apple", "")] * 3),
        ("on the table, place a red cup", [("add", "red cup", "")]),
    ],
)
def test_several_edits_and_sentences(text: str, found: list[tuple[str, str, str]]) -> None:
    assert short(text) == found


def test_a_pronoun_without_a_noun_names_nothing() -> None:
    [part] = decompose_edit("Put him on the moon")
    assert (part.op, part.object, part.refers_to, part.cues) == ("move", "", ("moon",), ("pronoun",))


@pytest.mark.parametrize(
    ("text", "refers", "cues"),
    [
        ("put a cake on the table", ("table",), ()),
        ("add a ring between the star and the green cross", ("star", "green cross"), ()),
        ("draw a ring below it", ("it",), ("pronoun",)),
        ("put a hat on its head", ("it",), ("pronoun",)),
        ("make it red", (), ("pronoun",)),
        ("delete the thing you just added", (), ("pronoun",)),
        ("paint that one green", (), ("pronoun",)),
        ("add another star", (), ("another",)),
        ("one more, please", (), ("another",)),
        ("do that again", (), ("another",)),
        ("remove one of the apples", (), ("one_of",)),
        ("flip the image horizontally", (), ("geometric",)),
        ("swap left and right", (), ("geometric",)),
        ("from now on, make everything green", (), ("standing",)),
        ("make all later edits green", (), ("standing",)),
        ("everything you add from here should be green", (), ("standing",)),
    ],
)
def test_what_an_instruction_relies_on(text: str, refers: tuple[str, ...], cues: tuple[str, ...]) -> None:
    [part] = decompose_edit(text)
    assert (part.refers_to, part.cues) == (refers, cues)


@pytest.mark.parametrize(
    "text",
    ["Füge einen Hund hinzu", "Place un chien sur la table", "把狗变成红色", "Удали собаку", "?!", "", "hello there"],
)
def test_what_is_not_understood_is_unknown(text: str) -> None:
    assert short(text) == [("unknown", "", "")]


def test_a_text_that_is_too_long_is_unknown() -> None:
    assert short("add a cat " * LONGEST_EDIT)[0][0] == "unknown"


WORDS = (
    *("add", "remove", "the", "a", "red", "star", "it", "to", "of", "left", "and", "then", "from", "now", "on", "undo"),
    *("make", "back", "picture", "its", "one", "more", ".", ",", "another"),
)


@settings(max_examples=example_count(150), deadline=None)
@given(
    st.lists(
        st.sampled_from(WORDS),
        max_size=20,
    )
    | st.text(max_size=60).map(str.split)
)
def test_any_text_has_parts_of_known_kinds(words: list[str]) -> None:
    parts = decompose_edit(" ".join(words))
    assert parts
    for part in parts:
        assert part.op in OPERATIONS
        assert set(part.cues) <= set(CUES)
        assert part.number >= 0


@settings(max_examples=example_count(30), deadline=None)
@given(number=st.integers(2, 12), noun=st.sampled_from(["star", "cup", "box", "child", "berry", "wolf"]))
def test_counted_things_are_one_part_each(number: int, noun: str) -> None:
    parts = decompose_edit(f"Add {number} {pluralize(noun)} on the shelf")
    assert [(part.op, part.object, part.number, part.refers_to) for part in parts] == [
        ("add", noun, number, ("shelf",))
    ] * number


def test_names_of_one_thing() -> None:
    assert may_be_same("crimson ball", "red sphere")
    assert may_be_same("cats", "cat")
    assert may_be_same("red star", "star")
    assert contradicts("red star", "blue star")
    assert contradicts("big star", "small star")
    assert not may_be_same("star", "ring")
    assert kind_of("cup of tea") == kind_of("mugs")
    assert [singularize(word) for word in ("wolves", "glasses", "men", "feet", "berries", "bus")] == [
        "wolf", "glass", "man", "foot", "berry", "bus",
    ]  # fmt: skip
