"""Instructions decomposed by rules: operations, objects, what they rely on, and what is not understood."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
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
        ("Exchange the left side of the picture with the right side.", (), ("geometric",)),
        ("Laterally invert the picture.", (), ("geometric",)),
        ("Left should become right.", (), ("geometric",)),
        ("The picture is the wrong way round, switch its sides.", (), ("geometric",)),
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
@example(["A\0"])
@example(["0\0"])
@example(["add", "\u00b2", "stars"])
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
    assert may_be_same("yellow dot", "yellow disc")
    assert may_be_same("pink round band", "pink hoop")
    assert not may_be_same("rubber band", "ring")
    assert kind_of("cup of tea") == kind_of("mugs")
    assert [singularize(word) for word in ("wolves", "glasses", "men", "feet", "berries", "bus")] == [
        "wolf", "glass", "man", "foot", "berry", "bus",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # wishes, questions and statements of what ought to be
        ("What if a purple kite floated in the upper corner?", ("add", "purple kite", "")),
        ("We could really do with a bench on the left.", ("add", "bench", "")),
        ("There ought to be a lantern in the middle.", ("add", "lantern", "")),
        ("The sofa had better disappear.", ("remove", "sofa", "")),
        ("That lamp has got to go.", ("remove", "lamp", "")),
        ("I wish the bench weren't in the photo.", ("remove", "bench", "")),
        ("We don't need the lantern any more.", ("remove", "lantern", "")),
        ("This would be nicer without the green kite.", ("remove", "green kite", "")),
        ("Shouldn't the kite be yellow?", ("change", "kite", "yellow kite")),
        ("The red kite would look lovely in dark green.", ("change", "red kite", "dark green kite")),
        ("I'd sooner see the bench on the right.", ("move", "bench", "")),
        ("The bench belongs at the bottom.", ("move", "bench", "")),
        # nouns for edits, and labels
        ("Removal of the green kite, please.", ("remove", "green kite", "")),
        ("Deletion: the bench.", ("remove", "bench", "")),
        ("Addition of a lantern at the top.", ("add", "lantern", "")),
        ("New colour for the bench: white.", ("change", "bench", "white bench")),
        ("Replacement of the bench by a tree.", ("replace", "bench", "tree")),
        ("New place for the kite: at the bottom left.", ("move", "kite", "")),
        # verbs with particles, and verbs of everyday speech
        ("plop a lantern down on the left", ("add", "lantern", "")),
        ("sneak in a kite somewhere", ("add", "kite", "")),
        ("airbrush the bench away", ("remove", "bench", "")),
        ("kick the lantern out of the picture", ("remove", "lantern", "")),
        ("drop the bench, as it distracts", ("remove", "bench", "")),
        ("drop the bench in the top right corner", ("move", "bench", "")),
        ("drop a bench in the top right corner", ("add", "bench", "")),
        # one thing in the place of another
        ("Instead of the bench, show a tree.", ("replace", "bench", "tree")),
        ("I'd rather have a tree than the bench.", ("replace", "bench", "tree")),
        ("There should be a tree where the bench is.", ("replace", "bench", "tree")),
        ("Take the bench out and put a tree in its place.", ("replace", "bench", "tree")),
        ("The bench has to make way for a tree.", ("replace", "bench", "tree")),
        ("I don't want the bench, I want a tree.", ("replace", "bench", "tree")),
        ("change the background to a beach", ("global", "", "")),
        # what stands in another sentence
        ("The bench looks dull. Paint it red.", ("change", "bench", "red bench")),
        ("The bench is in the wrong spot. It should be on the left.", ("move", "bench", "")),
        ("See the bench? I'd like a tree there instead.", ("replace", "bench", "tree")),
        ("I don't love the colour of the bench. Go with green.", ("change", "bench", "green bench")),
        ("My favourite colour is green, so let the bench be that.", ("change", "bench", "green bench")),
        ("I think a tree would suit this place, so please add that.", ("add", "tree", "")),
        ("The bench would look better if it was red. Change that.", ("change", "bench", "red bench")),
        # all of the picture
        ("It's gloomy in here, lighten up the photo", ("global", "", "")),
        ("Less light, please.", ("global", "", "")),
        ("Drain all the colour from the scene.", ("global", "", "")),
        ("Shift the colours towards blue.", ("global", "", "")),
        ("turn day into night", ("global", "", "")),
        ("I liked the picture better before, can we go back?", ("undo", "", "")),
        ("Could the step you just took be taken back? I mean, undo the previous step.", ("undo", "", "")),
        ("Never mind that last edit.", ("undo", "", "")),
    ],
)
def test_what_is_asked_for_follows_from_what_is_named(text: str, found: tuple[str, str, str]) -> None:
    assert short(text) == [found]


@pytest.mark.parametrize(
    ("text", "object", "refers", "cues"),
    [
        ("The table looks bare. Put a lamp on it.", "lamp", ("table",), ()),
        ("What if the table had a lamp on it?", "lamp", ("table",), ()),
        ("Decorate the table with a lamp.", "lamp", ("table",), ()),
        ("Put a lamp on it.", "lamp", ("it",), ("pronoun",)),
        ("I like that lamp. Give me one more.", "lamp", (), ("another",)),
        ("There should be one more lamp on the left.", "lamp", (), ("another",)),
        ("Same thing again, but on the left.", "", (), ("another",)),
        ("There are two lamps. Get rid of one.", "lamp", (), ("one_of",)),
        ("Of the two lamps, one should go.", "lamp", (), ("one_of",)),
        ("Pick one of the lamps and paint it red.", "lamp", (), ("one_of",)),
        ("Leave the rest alone but make one of the lamps red.", "lamp", (), ("one_of",)),
        ("It could be red instead.", "", (), ("pronoun",)),
        ("On second thought, that one can go.", "", (), ("pronoun",)),
        ("Whatever I ask you to add after this, do it in blue.", "", (), ("standing",)),
        ("Going forward, each new item is going to be blue.", "", (), ("standing",)),
        ("What's on the left should be on the right and the other way around.", "", (), ("geometric",)),
    ],
)
def test_what_an_instruction_relies_on_in_other_words(
    text: str, object: str, refers: tuple[str, ...], cues: tuple[str, ...]
) -> None:
    [part] = decompose_edit(text)
    assert (part.object, part.refers_to, part.cues) == (object, refers, cues)


@pytest.mark.parametrize(
    "text",
    [
        "The weather is nice today.",
        "I like this picture.",
        "There is a red star on the left.",
        "The star is red.",
        "How many stars are there?",
        "Tell me a joke.",
        "Is the star red?",
        "Why did you do that?",
        "Lovely photo!",
    ],
)
def test_what_asks_for_no_edit_is_unknown(text: str) -> None:
    assert short(text) == [("unknown", "", "")]


ORDERS = (
    *("add a red kite at the top left", "remove the kite", "replace the bench with a green tree", "make the kite blue"),
    *("move the bench so that it is on the right", "put a lamp on the bench", "take it away", "make it blue"),
    *("remove one of the two kites", "make the whole picture brighter", "flip the picture horizontally"),
    *("add another kite", "undo the last change"),
)
BEFORE = (
    "",
    "Please ",
    "Could you ",
    "Hmm, ",
    "Okay, now ",
    "I would like you to ",
    "Would you kindly ",
    "Go ahead and ",
)
AFTER = ("", ", please", ", thanks", " for me", ", if possible", ", leaving everything else unchanged")
REMARKS = ("", "Nice, thank you. ", "Hello there! ", "This is a lovely photo. ", "I really like the light here. ")


@settings(max_examples=example_count(100), deadline=None)
@given(st.sampled_from(ORDERS), st.sampled_from(BEFORE), st.sampled_from(AFTER), st.sampled_from(REMARKS))
def test_polite_words_remarks_and_what_stays_change_nothing(order: str, before: str, after: str, remark: str) -> None:
    assert decompose_edit(f"{remark}{before}{order}{after}.") == decompose_edit(order)


@pytest.mark.parametrize(
    "piece", ["make it as if the ", "not the ", "one of ", "undo the ", "and then ", "with a ", "like ", "a "]
)
def test_reading_takes_time_in_proportion_to_length(piece: str) -> None:
    def seconds(text: str) -> float:
        def once() -> float:
            start = time.perf_counter()
            decompose_edit(text)
            return time.perf_counter() - start

        return min(once() for _ in range(5))

    whole = (piece * LONGEST_EDIT)[:LONGEST_EDIT]
    assert seconds(whole) < 32 * max(seconds(whole[: LONGEST_EDIT // 8]), 2e-3)
