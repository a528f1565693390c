from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise, photograph

from datagen.models.editors.rules import RulesEditorConfig, parse_instruction
from datagen.models.generated import Declined

CAT = photograph("chelsea.png").array


def edited(instruction, image=CAT, **options):
    return RulesEditorConfig(**options).load("cpu")([image], [instruction], seeds=[0])[0]


@pytest.mark.parametrize(
    ("instruction", "holds"),
    [
        ("Brighten the image", lambda it: it.mean() > CAT.mean() + 20),
        ("make it darker.", lambda it: it.mean() < CAT.mean() - 20),
        ("Please increase the contrast of this photo!", lambda it: it.std() > CAT.std() * 1.2),
        ("reduce the contrast", lambda it: it.std() < CAT.std() * 0.8),
        ("make it more colourful", lambda it: np.ptp(it.astype(int), axis=2).mean() > np.ptp(CAT, axis=2).mean() + 5),
        ("Turn the photo into black and white", lambda it: np.ptp(it, axis=2).max() == 0),
        ("make it black-and-white", lambda it: np.ptp(it, axis=2).max() == 0),
        ("have it look like an old sepia photograph", lambda it: (it[..., 0] >= it[..., 2]).all()),
        ("Invert the colors of the picture", lambda it: np.array_equal(it, 255 - CAT)),
        ("Flip this picture horizontally.", lambda it: np.array_equal(it, CAT[:, ::-1])),
        ("turn it upside down", lambda it: np.array_equal(it, CAT[::-1])),
        ("blur the image", lambda it: np.abs(np.diff(it.astype(int), axis=1)).mean() < np.abs(np.diff(CAT.astype(int), axis=1)).mean() / 2),
        ("sharpen it", lambda it: np.abs(np.diff(it.astype(int), axis=1)).mean() > np.abs(np.diff(CAT.astype(int), axis=1)).mean() * 1.2),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_done(instruction, holds):
    made = edited(instruction)
    assert made.shape == CAT.shape
    assert made.dtype == np.uint8
    assert holds(made)


@pytest.mark.parametrize(
    "instruction",
    [
        "Blur everything but the cat",
        "make the cat brighter",
        "brighten the image and add a dog",
        "do not brighten the image",
        "flip the cat",
        "make it",
        "make it black",
        "",
        "<imagehere>",
    ],
)
def test_what_it_does_not_understand_to_the_last_word_it_declines(instruction):
    made = edited(instruction)
    assert isinstance(made, Declined)
    assert made.reason == "not_understood"


@given(
    st.sampled_from(["brighten it", "flip the photo", "convert it to grayscale"]),
    st.sampled_from(["dog", "only", "not", "left", "sky"]),
    st.integers(0, 4),
)
def test_one_more_word_and_it_is_another_edit(instruction, word, place):
    words = instruction.split()
    words.insert(min(place, len(words)), word)
    assert parse_instruction(" ".join(words)) is None


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([0.01, 0.4, 1.0]),
    st.sampled_from(["blur it", "sharpen it", "make it less colorful", "increase the contrast", "make it sepia"]),
)
def test_pictures_of_any_size_keep_it(height, width, strength, instruction):
    image = noise(height, width)
    before = image.copy()
    assert edited(instruction, image, strength=strength).shape == image.shape
    assert np.array_equal(image, before)
