"""Names of things: whether "the crimson ball" and "red sphere" may be one thing, and which names are of parts."""

from __future__ import annotations

import re
from functools import cache

from datagen.core.english import head_word, singularize, word_set
from datagen.models.grammar.phrases import clean_label

_FAMILIES = {
    "red": "crimson scarlet ruby cherry vermilion reddish", "red brown": "maroon burgundy rust",
    "blue": "azure navy cobalt sapphire bluish sky-blue", "blue purple": "indigo", "blue cyan": "cyan aqua",
    "cyan green blue": "teal turquoise aquamarine", "green": "emerald lime olive jade mint greenish",
    "yellow": "lemon mustard yellowish", "yellow orange": "gold golden amber", "orange": "tangerine apricot",
    "purple": "violet lilac lavender mauve plum", "pink purple": "magenta fuchsia", "pink": "rose rosy coral salmon",
    "brown": "chocolate tan bronze brownish", "white": "ivory whitish snow-white", "white brown": "beige cream",
    "grey": "gray silver silvery greyish grayish charcoal", "black": "ebony jet-black blackish onyx",
}  # fmt: skip
COLOUR_FAMILIES: dict[str, frozenset[str]] = {
    word: frozenset(families.split())
    for families, synonyms in _FAMILIES.items()
    for word in (*synonyms.split(), *(families.split() if " " not in families else ()))
}
"""The basic colours that a colour word may mean."""


def is_colour(word: str) -> bool:
    """Whether a word in lower case is a colour: `blue`, `off-white`."""
    return word in COLOUR_FAMILIES or ("-" in word and word.rpartition("-")[2] in COLOUR_FAMILIES)


_SIZES = {
    **dict.fromkeys(word_set("big bigger large larger huge giant great enormous gigantic tall"), "large"),
    **dict.fromkeys(word_set("small smaller little tiny miniature mini short"), "small"),
}
_KINDS = (
    "ball sphere orb globe circle disc disk dot", "box cube square block", "ring hoop donut doughnut torus annulus",
    "cross plus", "rhombus diamond lozenge", "triangle pyramid", "photo photograph picture image", "cup mug",
    "sofa couch settee", "car automobile", "person human", "plane airplane aeroplane aircraft", "boat ship",
    "cat kitten kitty feline", "dog puppy hound", "bike bicycle", "stone rock", "rug carpet", "road street",
    "man guy gentleman", "woman lady", "child kid", "tv television", "phone telephone smartphone",
)  # fmt: skip
_PLAIN = word_set("new first second last other same added single whole whichever previous newest latest existing red")
_KIND_OF = {word: words.split()[0] for words in _KINDS for word in words.split()}
SHADES = word_set(
    "light dark deep bright pale vivid pure solid neon pastel hot plain jet pitch royal sky navy baby midnight ocean "
    "electric steel powder ice grass forest lime leaf mint sea olive emerald apple moss bottle lemon canary mustard "
    "sunshine sun sunflower butter banana golden bubblegum candy flamingo rose salmon shocking snow milk milky chalk "
    "bone pearl off ivory coal ink inky raven charcoal grape plum eggplant lavender fire fire-engine engine blood "
    "brick cherry ruby tomato wine candy-apple strong rich soft warm cool medium fully saturated cobalt true classic "
    "poppy cornflower blush primary violet lilac"
)
"""Words before a colour that make a shade of it, such as `royal` in "royal blue"."""
GENERAL = word_set("thing object item one element shape figure stuff piece addition symbol subject")
"""Nouns that name a thing without saying what it is."""
_SHAPED = {
    **dict.fromkeys(word_set("round circular"), "ball"), "triangular": "triangle", "hexagonal": "hexagon",
    "rhombic": "rhombus", **dict.fromkeys(word_set("cubic rectangular boxy"), "box"), "plus-shaped": "cross",
    "six-sided": "hexagon", "three-sided": "triangle", "four-sided": "box",
}  # fmt: skip
"""The kind of a "round shape" and the like."""
_WORD = re.compile(r"[\w-]+")


def singular_name(name: str) -> str:
    """A name with its last word in the singular."""
    first, _, last = name.rpartition(" ")
    return f"{first} {singularize(last)}".strip()


@cache
def kind_of(name: str) -> str:
    """The kind of thing that a name is of, in lower case and the singular; '' if the name does not say.

    Nouns for one kind are equal: `sphere` is `ball`. A general noun such as "thing" says nothing.
    """
    head = singularize(head_word(name)) if name.strip() else ""
    if head in GENERAL:
        before = [word for word in name.lower().split()[:-1] if word not in COLOUR_FAMILIES and word not in SHADES]
        head = _SHAPED.get(before[-1], before[-1].removesuffix("-shaped")) if before else ""
        head = "" if head in _SIZES or head in GENERAL or head in _PLAIN else head
    elif head == "band" and _SHAPED.get(name.lower().split()[-2] if " " in name.strip() else "") == "ball":
        head = "ring"
    return _KIND_OF.get(head, head)


@cache
def colours_of(name: str) -> frozenset[str]:
    """The basic colours that the words of a name allow; empty if it names none."""
    words = _WORD.findall(name.lower())
    return frozenset().union(
        *(
            COLOUR_FAMILIES.get(word if word in COLOUR_FAMILIES else word.rpartition("-")[2], frozenset())
            for word in words[:-1]
        )
    )


def contradicts(name: str, other: str) -> bool:
    """Whether two names cannot be of one thing, as their colours or sizes exclude each other."""
    one, two = colours_of(name), colours_of(other)
    if one and two and not one & two:
        return True
    sizes = [{_SIZES[word] for word in _WORD.findall(text.lower()) if word in _SIZES} for text in (name, other)]
    return bool(sizes[0] and sizes[1] and not sizes[0] & sizes[1])


def may_be_same(name: str, other: str) -> bool:
    """Whether two names may be of one thing: of one kind, and without a contradiction."""
    kinds = kind_of(name), kind_of(other)
    return bool(kinds[0]) and kinds[0] == kinds[1] and not contradicts(name, other)


def share_noun(name: str, other: str) -> bool:
    """Whether two names have a noun in common, such as "rocket ship" and "space rocket", and may be of one thing."""
    nouns = [
        {singularize(word) for word in _WORD.findall(text.lower())} - _PLAIN - GENERAL - SHADES
        for text in (name, other)
    ]
    return any(not is_colour(word) and word not in _SIZES for word in nouns[0] & nouns[1]) and not contradicts(
        name, other
    )


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
