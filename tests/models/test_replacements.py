"""`replace X with Y` by rules: the paper's own examples, what is not guessed, and that no word is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.models.extractors.base import Extracted
from datagen.models.extractors.language import verify_extraction
from datagen.models.grammar import parse_replacement


@pytest.mark.parametrize(
    ("text", "subject", "instruction"),
    [
        ("replace one woman with a man", "man", "replace one woman with <>"),
        ("replace the castle with another castle", "castle", "replace the castle with <>"),
        (
            "replace the desk with a white one in the bottom middle",
            "desk",
            "replace the desk with <> in the bottom middle",
        ),
    ],
)
def test_the_examples_of_table_7(text: str, subject: str, instruction: str) -> None:
    found = parse_replacement(text)
    assert found is not None
    assert (found.subject, f"{found.before} <>{found.after}") == (subject, instruction)


@pytest.mark.parametrize(
    ("text", "subject", "after"),
    [
        ("Replace the bird with a parrot.", "parrot", "."),
        ("please replace the dog by two cats on the sofa", "two cats", " on the sofa"),
        ("replace the cup with a glass of water", "glass of water", ""),
        ("replace the woman with a man with a hat", None, None),
        ("change the dog into a fox", "fox", ""),
        ("turn the horse into a zebra near the tree", "zebra", " near the tree"),
        ("swap the dog for a wolf in the foreground", "wolf", " in the foreground"),
        ("replace the woman with a man in a black suit", "man in a black suit", ""),
        ("replace the owl with a different one", "owl", ""),
        ("replace the owl with it", None, None),
        ("replace the bear with him", None, None),
        ("replace the bear with more trees", "trees", ""),
        ("replace the owl with something else", None, None),
        ("replace the owl", None, None),
        ("replace with an owl", None, None),
        ("replace the owl with an eagle and add a hat", None, None),
        ("replace the owl with an eagle; make it fly", None, None),
        ("replace the owl with <imagehere>", None, None),
        ("swap the dog with the cat", None, None),
        ("make the owl an eagle", None, None),
        ("replace the dog with a cat in the image", "cat", " in the image"),
        ("Replace the dog with a cat in  this Photo.", "cat", " in this Photo."),
        ("replace the dog with a cat in the picture frame", "cat in the picture frame", ""),
        ("", None, None),
    ],
)
def test_what_is_read_and_what_is_not_guessed(text: str, subject: str | None, after: str | None) -> None:
    found = parse_replacement(text)
    assert (found and found.subject, found and found.after) == (subject, after)


WORD = st.sampled_from(
    [
        "owl",
        "red",
        "eagle",
        "with",
        "by",
        "into",
        "of",
        "on",
        "in",
        "the",
        "a",
        "an",
        "another",
        "one",
        "replace",
        "change",
        "and",
        "hat",
        ",",
        ".",
        ";",
        "top",
    ]
)


@given(st.lists(WORD, max_size=12).map(" ".join).map("replace {}".format))
def test_its_parts_are_all_of_it(text: str) -> None:
    found = parse_replacement(text)
    if found is not None:
        assert f"{found.before} {found.new}{found.after}" == " ".join(text.split())
        assert found.before.endswith(("with", "by"))
        own = text.casefold().split()
        assert found.subject
        assert all(word in own for word in re.findall(r"\w+", found.subject.casefold()))


@given(st.text(max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    for whole in (text, f"replace {text}", f"replace the owl with {text}"):
        found = parse_replacement(whole)
        assert found is None or f"{found.before} {found.new}{found.after}" == " ".join(whole.split())


TEXT = "Replace the  bird with a parrot on the branch."


@pytest.mark.parametrize(
    ("subject", "instruction", "message"),
    [
        (
            "a parrot",
            "Replace the bird with <imagehere> on the branch.",
            "Replace the  bird with <imagehere> on the branch.",
        ),
        (
            "parrot",
            "replace the bird with <imagehere> on the branch",
            "Replace the  bird with <imagehere> on the branch.",
        ),
        ("parrot", "Replace the bird with <imagehere>", "Replace the  bird with <imagehere>."),
        ("parrot", "Replace <imagehere>", None),
        ("bird", "Replace the bird with <imagehere> on the branch", None),
        ("owl", "Replace the bird with <imagehere> on the branch.", None),
        ("parrot", "Put <imagehere> on the branch.", None),
        ("parrot", "<imagehere> on the branch.", None),
        ("a", "Replace the bird with <imagehere> on the branch.", None),
        ("parrot", "Replace the bird with <imagehere> on the branch. OWNED", None),
    ],
)
def test_a_models_answer_is_held_to_the_instructions_own_words(
    subject: str, instruction: str, message: str | None
) -> None:
    found = verify_extraction(Extracted(subject, instruction), text=TEXT)
    assert (found and found.instruction) == message
    assert found is None or found.subject == "parrot"


@pytest.mark.parametrize(
    ("text", "subject", "instruction", "message"),
    [
        ("add a coin to the top row", "coin", "add <imagehere> to the top row", "add <imagehere> to the top row"),
        ("Please, insert a  red hat.", "a red hat", "please, insert <imagehere>", "Please, insert <imagehere>."),
        (
            "put a bow on the dog's collar",
            "bow",
            "Put <imagehere> on the dog's collar",
            "put <imagehere> on the dog's collar",
        ),
        ("place a cup by the jug", "cup", "place <imagehere> by the jug", "place <imagehere> by the jug"),
        ("add a coin to the top row", "row", "add a coin to <imagehere>", None),
        ("put a dog by a cat", "cat", "put a dog by <imagehere>", None),
        ("add a coin to the top row", "stamp", "add <imagehere> to the top row", None),
        ("additional coins in the top row", "coins", "additional <imagehere> in the top row", None),
        ("remove the coin", "coin", "remove <imagehere>", None),
    ],
)
def test_what_opens_with_add_may_have_its_subject_next(
    text: str, subject: str, instruction: str, message: str | None
) -> None:
    found = verify_extraction(Extracted(subject, instruction), text=text)
    assert (found and found.instruction) == message


def test_another_one_is_called_what_it_replaces() -> None:
    result = Extracted("desk", "replace the desk with <imagehere> in the bottom middle")
    assert verify_extraction(result, text="replace the desk with a white one in the bottom middle") == result


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_what_is_taken_has_no_letter_of_the_models_own(before: str, subject: str, after: str) -> None:
    found = verify_extraction(Extracted(subject, f"{before}<imagehere>{after}"), text=TEXT)
    if found is not None:
        before, _, after = found.instruction.partition(" <imagehere>")
        assert TEXT.startswith(before)
        assert TEXT.endswith(after)
