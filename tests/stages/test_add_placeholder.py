"""MIGE's appendix B, word by word; and what no rewording may lose."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from datagen import Record, Reject
from datagen.core.fields import PLACEHOLDER
from datagen.models.grammar import spell
from stages.add_placeholder import AddPlaceholder

STAGE = AddPlaceholder(AddPlaceholder.Config())


def answer(text: str, *, reach: str = "", operation: str = "", **options: Any) -> Any:
    stage = AddPlaceholder(AddPlaceholder.Config(**options)) if options else STAGE
    record = Record("a", {"text": text, "reach": reach, "operation": operation, "source_caption": "a street"})
    return stage.process([record])[0]


def reworded(text: str, *, reach: str = "local", **options: Any) -> str:
    return str(answer(text, reach=reach, **options)["instruction"])


def published(text: str, *, reach: str = "local", **options: Any) -> str:
    return reworded(text, reach=reach, style="published", **options)


@pytest.mark.parametrize("determiner", ["the", "this", "The", "THIS"])
@pytest.mark.parametrize("noun", ["image", "photo", "picture", "Image", "PHOTO"])
@pytest.mark.parametrize("preposition", ["in", "to", "from", "of", "into", "To"])
def test_each_of_the_phrases_becomes_the_placeholder(determiner: str, noun: str, preposition: str) -> None:
    text = f"Add a dog {preposition} {determiner} {noun}"
    assert reworded(text) == f"Add a dog {preposition} {PLACEHOLDER}"
    assert reworded(f"{text}.") == f"Add a dog {preposition} {PLACEHOLDER}."
    assert reworded(f"{preposition} {determiner}  {noun}, add a dog!") == f"{preposition} {PLACEHOLDER}, add a dog!"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The image should be darker", "<imagehere> should be darker"),
        ("make the photo's sky red", "make <imagehere>'s sky red"),
        ('write "hi" ("the image")', 'write "hi" ("the image") in <imagehere>'),
        ('Add a sign that says "the picture"', 'Add a sign that says "the picture" in <imagehere>'),
        ("write ‘the’ and 'the image' to the image", "write ‘the’ and 'the image' to <imagehere>"),  # noqa: RUF001
        ('"add a dog to the image"', '"add a dog to <imagehere>"'),
        ("remove the image's background", "remove <imagehere>'s background"),
        ("Add a hat to the image above the man", "Add a hat to <imagehere> above the man"),
        ("remove the man from the image behind the car", "remove the man from <imagehere> behind the car"),
        ("flip the image over", "flip <imagehere> over"),
        ("make the image brighter and add text to the image", "make the image brighter and add text to <imagehere>"),
        ("brighten the picture, then crop the picture", "brighten <imagehere>, then crop the picture"),
        ("In this photo add a cat to the picture", "In <imagehere> add a cat to the picture"),
        ("add a hat \n to\tthe   image", "add a hat to <imagehere>"),
    ],
)
def test_of_several_mentions_one_is_replaced(text: str, expected: str) -> None:
    assert reworded(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Change the imagery", "clean the photograph", "sharpen the photos", "an image-like the image-based look",
        "bathe image", "soothe pictures", "see re-the image", "Remove the picture frame", "Burn the photo album",
        "replace the picture of a dog with a cat", "remove the photo on the wall", "add an image", "make that picture red",
        "hang the picture above the sofa", "Replace the picture with a mirror", "Remove the picture above the bed",
        "Delete the photo behind the man", "change the photo in the frame", "remove the image background",
        "move the picture to the left", "enlarge the picture near the door",
    ],
)  # fmt: skip
def test_words_that_only_look_like_a_mention_stay(text: str) -> None:
    assert published(text) == f"{text} in<imagehere>"
    assert published(text, reach="global") == f"{text} of<imagehere>"
    assert reworded(text) == f"{text} in <imagehere>"


@pytest.mark.parametrize("stops", ["", ".", "!", "?", "...", "…", "?!", " .", ". "])
def test_the_full_stop_stays_at_the_end(stops: str) -> None:
    found = stops.strip()
    assert published(f"Make it snow{stops}", reach="global") == f"Make it snow of<imagehere>{found}"
    assert reworded(f"Make it snow{stops}", reach="global") == f"Make it snow in <imagehere>{found}"
    assert reworded(f"Add a dog{stops}") == f"Add a dog in <imagehere>{found}"


@pytest.mark.parametrize("reach", ["global", "local"])
def test_in_does_not_stand_twice(reach: str) -> None:
    assert reworded("Zoom in.", reach=reach) == "Zoom in on <imagehere>."
    assert reworded("zoom in on the dog", reach="local") == "zoom in on the dog in <imagehere>"


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("make it look like a painting", "global"),
        ("turn it into winter", "global"),
        ("change the background to a beach", "global"),
        ("Have the style be Van Gogh's", "global"),
        ("convert to black and white", "global"),
        ("brighten the image", "global"),
        ("The picture should be warmer", "global"),
        ("add a tree in the background", "local"),
        ("remove the snowy roof", "local"),
        ("In the photo, open the door", "local"),
        ("change the color of the car to red", "local"),
        ("turn the dog into a cat", "local"),
        ("make the flowers brighter", "local"),
        ("Blur everything but the astronaut", "local"),
        ("make everything except the dog black and white", "local"),
        ("make everything black and white", "global"),
        ("flip the pancake", "local"),
        ("rotate the car", "local"),
        ("crop out the man", "local"),
        ("flip this pancake", "local"),
        ("flip this horizontally", "global"),
        ("rotate 90 degrees", "global"),
        ("crop to the left half", "global"),
        ("darken the background", "global"),
        ("make the entire car red", "local"),
        ("paint the whole house blue", "local"),
        ("make the whole image red", "global"),
        ("Paint the entire scene red", "global"),
        ("sharpen the whole", "global"),
        ("Make the car black and white", "local"),
        ("Make the cat's fur black and white", "local"),
        ("make the person in the background smile", "local"),
        ("Make the background blurry", "global"),
        ("make the colors warmer", "global"),
        ("make the colors of the dress warmer", "local"),
        ("turn the day into night", "global"),
        ("mirror on the wall should be bigger", "local"),
        ("mirror it", "global"),
        ("mirror this photo", "global"),
        ("the car should be black and white", "local"),
        ("the weather should be rainy", "global"),
        ("the lighting of the lamp should be brighter", "local"),
        ("change the lighting of the lamp", "local"),
        ("increase the contrast of the image", "global"),
        ("in the style of the impressionists", "global"),
        ('write "winter" on the wall', "local"),
        ("Remove the picture above the bed", "local"),
        ("change the photo in the frame", "local"),
    ],
)
def test_the_scope_by_words_and_by_the_dataset(text: str, scope: str) -> None:
    assert answer(text)["scope"] == scope
    for result in ("global", "local"):
        assert answer(text, reach=result)["scope"] == result


def test_what_a_sample_needs_comes_along() -> None:
    found = answer("brighten the image", operation="brightness")
    assert set(found) == set(AddPlaceholder.writes)
    assert found["task"] == "instruct_edit"
    assert found["inputs"] == [
        {"member": "source", "role": "source", "label": "", "appears": True, "caption": "a street"}
    ]
    assert (found["edits"][0]["instruction"], found["edits"][0]["op"]) == ("brighten the image", "brightness")


@pytest.mark.parametrize("tag", ["<imagehere>", "<ImageHere>", "< imagehere >"])
def test_a_text_with_a_placeholder_keeps_it(tag: str) -> None:
    assert reworded(f"Add a dog to {tag} and the image.") == "Add a dog to <imagehere> and the image."
    found = answer(f"put {tag} on {tag}")
    assert isinstance(found, Reject)
    assert found.reason == "several_placeholders"


@pytest.mark.parametrize("text", ["...", "?!", "<imagehere>", " _ - ", "the image", "This photo."])
def test_what_has_no_word_is_no_instruction(text: str) -> None:
    found = answer(text)
    assert isinstance(found, Reject)
    assert found.reason == "no_words"


def test_the_words_are_options() -> None:
    assert reworded("add a dog to my scan", determiners=("my",), nouns=("scan",)) == "add a dog to <imagehere>"
    assert reworded("burn the photo album", things=()) == "burn <imagehere> album"
    assert answer("paint it", global_starts=("paint it",))["scope"] == "global"
    assert answer("remove it", local_verbs=(), global_words=("remove",))["scope"] == "global"


def test_a_long_text_takes_no_time() -> None:
    def seconds(part: str, times: int, end: str) -> float:
        began = time.thread_time()
        assert reworded(part * times + end, reach="").count(PLACEHOLDER) == 1
        return time.thread_time() - began

    for part, times, end in [
        (".", 99_000, "x"), ("the ", 25_000, ""), ("in the image ", 8_000, ""), ("to ", 33_000, ""),
        ("\u201c", 99_000, "x"), ("'a", 50_000, ""), ("entire ", 14_000, ""), ('"x" the image ', 7_000, ""),
    ]:  # fmt: skip
        # Eight times the length: 64 times the time if it grew with the square.
        assert seconds(part, times, end) < 24 * seconds(part, times // 8, end) + 0.2


WORDS = st.sampled_from(
    ["add", "a dog", "the image", "this photo", "to the picture", "in the image", "the", "image", "frame", "of", "make it",
     "Snow", "sky,", "red.", "(hat)", "\u00e9t\u00e9", "imagery", "<imagehere>", "...", "?", "<IMAGEHERE>", "zoom in", "remove", '"', "above the"]
)  # fmt: skip
TEXTS = st.lists(WORDS, min_size=1, max_size=8).map(" ".join) | st.text(min_size=1, max_size=60)


MENTIONS = [f"{a} {b}" for a in ("the", "this") for b in ("image", "photo", "picture")]


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@given(text=TEXTS, reach=st.sampled_from(["", "global", "local"]))
def test_there_is_one_placeholder_and_no_word_is_lost(text: str, reach: str) -> None:
    found = answer(text, reach=reach)
    assume(not isinstance(found, Reject))
    instruction = found["instruction"]
    assert instruction.count(PLACEHOLDER) == 1
    before = " ".join(re.sub(r"<\s*imagehere\s*>", PLACEHOLDER, text, flags=re.IGNORECASE).split())
    if PLACEHOLDER in before:
        assert instruction == before
        return
    # only what the placeholder may stand for
    lost = Counter(words_of(spell(before))) - Counter(words_of(instruction))
    assert {*lost} <= {"the", "this", "image", "photo", "picture", "it", "its"}


@given(text=TEXTS, reach=st.sampled_from(["global", "local"]))
def test_the_letter_of_the_paper_is_the_text_and_an_ending(text: str, reach: str) -> None:
    found = answer(text, reach=reach, style="published")
    assume(not isinstance(found, Reject))
    before = " ".join(text.split())
    head, tail = found["instruction"].split(PLACEHOLDER)
    if PLACEHOLDER in re.sub(r"<\s*imagehere\s*>", PLACEHOLDER, before, flags=re.IGNORECASE):
        return
    if before[len(head) : len(before) - len(tail)].lower() not in MENTIONS:
        whole = f"{head.removesuffix(' of' if reach == 'global' else ' in')}{tail}"
        assert whole.replace(" ", "") == before.replace(" ", "")


@given(text=TEXTS, reach=st.sampled_from(["", "global", "local"]))
def test_a_second_time_changes_nothing(text: str, reach: str) -> None:
    found = answer(text, reach=reach)
    assume(not isinstance(found, Reject))
    assert answer(found["instruction"], reach=reach)["instruction"] == found["instruction"]
