"""Nouns and numbers of English."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count
from worded_graphs import LABELS

from datagen.core.english import PAIRED, indefinite_article, number_word, read_number
from datagen.scene_graphs.lexicon import NOUNS
from datagen.scene_graphs.noun_phrases import NounPhraseReader, plural_label


@settings(max_examples=example_count(100), deadline=None)
@given(st.integers(0, 10**6))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert read_number(number_word(number)) == number
    assert read_number(str(number)) == number


@pytest.mark.parametrize("word", ["", "many", "one-two", "1.5", "-1", "²", "9" * 20])
def test_other_words_are_no_numbers(word: str) -> None:
    assert read_number(word) is None


def test_words_of_numbers() -> None:
    assert [number_word(number) for number in (0, 1, 12, 20, 21, 99, 100)] == [
        *("nought", "one", "twelve", "twenty", "twenty-one", "ninety-nine", "100")
    ]
    assert indefinite_article("eight-ball") == "an"


def test_plurals_of_labels() -> None:
    assert [
        plural_label(label) for label in ("glass of water", "fire truck", "knife", "sheep", "scissors", "cherry")
    ] == [*("glasses of water", "fire trucks", "knives", "sheep", "scissors", "cherries")]


def test_the_plural_of_every_noun_of_the_lexicon_is_read_as_the_noun() -> None:
    reader = NounPhraseReader()
    nouns = sorted(noun for noun in NOUNS | set(LABELS) if noun not in PAIRED | {"sports", "tennis"})
    found = {noun: reader.read(["two", *plural_label(noun).split()]) for noun in nouns}
    assert [noun for noun, node in found.items() if node is None or node.label != noun] == []
