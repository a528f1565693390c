"""Words of users: other languages are told by their words, and misspelt words corrected where that is certain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.models.grammar import foreign_words, spell


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Ersetze den Hund durch eine Katze", "this is German"),
        ("Remplace le ciel par un coucher de soleil", "this is French"),
        ("Añade una nube", "this is Spanish"),
        ("Sostituisci il gatto con un cane", "this is Italian"),
        ("Coloque um chapéu no homem", "this is Portuguese"),
        ("Voeg een hond toe", "this is Dutch"),
        ("Ta bort hunden", "this is Swedish, Danish or Norwegian"),
        ("空を赤くしてください", "is not written in Latin letters"),
        ("сделай небо красным", "is not written in Latin letters"),
        ("lagyan ng sombrero ang lalaki", "no word of"),
    ],
)
def test_another_language_is_named_by_its_words(text: str, why: str) -> None:
    assert why in foreign_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "snow", "Cyberpunk!", "vintage film look", "studio ghibli style", "Van Gogh", "change the sign to 'Bonjour le monde'",
        "Write “Füge einen Hund hinzu” on the mat", "make the flowers die", "add a pain au chocolat", "turn it into art deco",
        "make it la la land", "add a sombrero", "Change the text to 空", "golden hour",
    ],
)  # fmt: skip
def test_english_with_foreign_words_in_it_is_english(text: str) -> None:
    assert foreign_words(text) == ""


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Plase add a hosue", "Please add a house"),
        ("remoove teh clouds", "remove the clouds"),
        ("chnge the wal to brick", "change the wall to brick"),
        ("add a hat too the dog", "add a hat to the dog"),
        ('change the text to "teh end"', 'change the text to "teh end"'),
        ("this is too red", "this is too red"),
        ("flap the wings", "flap the wings"),
        ("add a moose", "add a moose"),
        ("add Tomm to the scene", "add Tomm to the scene"),
        ("bake a cake", "bake a cake"),
        ("add some moss", "add some moss"),
    ],
)
def test_only_what_is_certain_is_corrected(text: str, right: str) -> None:
    assert spell(text) == right


@given(st.text(max_size=60))
def test_to_correct_twice_changes_nothing(text: str) -> None:
    assert spell(spell(text)) == spell(text)
