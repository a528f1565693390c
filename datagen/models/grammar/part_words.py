"""Names of things that are parts of what their pixels lie on: of a body, of clothing, of a vehicle or of a building."""

from __future__ import annotations

from datagen.core.english import head_word, singularize, word_set
from datagen.models.grammar.phrases import clean_label

_PARTS = (
    word_set("face head hair beard eye ear nose mouth neck arm hand finger leg foot tail wing paw beak horn mane fur"),
    word_set("shirt trousers jeans dress skirt suit jacket coat vest sleeve collar tie belt glove shoe boot sock"),
    word_set("hat cap helmet glasses sunglasses"),
    word_set("badge patch tag logo emblem label button pocket zipper stripe pattern print"),
    word_set(
        "wheel tire tyre door window windshield bumper headlight mirror roof chimney wall handle lid spout rim leaf"
    ),
)


def may_be_part(label: str) -> bool:
    """Whether a thing with this label is a part of the thing around it, rather than something on it, as a spoon is.

    The head of the label decides: a "name tag" is a tag. What is not on the list is no part.
    """
    name = clean_label(label)
    return bool(name) and any(singularize(head_word(name)) in words or head_word(name) in words for words in _PARTS)
