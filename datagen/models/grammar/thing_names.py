"""Compare names of things: whether "the crimson ball" and "red sphere" may be one thing."""

from __future__ import annotations

import re
from functools import cache

from datagen.models.grammar.phrases import head_word, is_plural, pluralize


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_FAMILIES = {
    "red": "crimson scarlet ruby cherry vermilion reddish", "red brown": "maroon burgundy rust",
    "blue": "azure navy cobalt sapphire bluish sky-blue", "blue purple": "indigo", "blue cyan": "cyan aqua",
    "cyan green blue": "teal turquoise aquamarine", "green": "emerald lime olive jade mint greenish",
    "yellow": "lemon mustard yellowish", "yellow orange": "gold golden amber", "orange": "tangerine apricot",
    "purple": "violet lilac lavender mauve plum", "pink purple": "magenta fuchsia", "pink": "rose rosy coral salmon",
    "brown": "chocolate tan bronze brownish", "white": "ivory whitish snow-white", "white brown": "beige cream",
    "grey": "gray silver silvery greyish grayish charcoal", "black": "ebony jet-black blackish",
}  # fmt: skip
COLOUR_FAMILIES: dict[str, frozenset[str]] = {
    word: frozenset(families.split())
    for families, synonyms in _FAMILIES.items()
    for word in (*synonyms.split(), *(families.split() if " " not in families else ()))
}
"""The basic colours that a colour word may mean."""
_SIZES = {
    **dict.fromkeys(word_set("big bigger large larger huge giant great enormous gigantic tall"), "large"),
    **dict.fromkeys(word_set("small smaller little tiny miniature mini short"), "small"),
}
_KINDS = (
    "ball sphere orb globe circle disc disk", "box cube square block", "ring hoop donut doughnut torus annulus",
    "cross plus", "rhombus diamond lozenge", "triangle pyramid", "photo photograph picture image", "cup mug",
    "sofa couch settee", "car automobile", "person human", "plane airplane aeroplane aircraft", "boat ship",
    "cat kitten kitty feline", "dog puppy hound", "bike bicycle", "stone rock", "rug carpet", "road street",
    "man guy gentleman", "woman lady", "child kid", "tv television", "phone telephone smartphone",
)  # fmt: skip
_KIND_OF = {word: words.split()[0] for words in _KINDS for word in words.split()}
GENERAL = word_set("thing object item one element shape figure stuff piece addition")
"""Nouns that name a thing without saying what it is."""
_WORD = re.compile(r"[\w-]+")


_SINGULAR = {"people": "person", "children": "child", "mice": "mouse"} | {
    f"{stem}s": stem for stem in word_set("cookie movie pie tie zombie selfie brownie bee shoe toe")
}
_TAKES_ES = re.compile(r"(ss|x|zz|ch|sh|us|o|gas|lens|iris)$")


@cache
def singularize(word: str) -> str:
    """The singular of a single word in lower case: `apples` is `apple`; a word that is no plural stays as it is."""
    if word in _SINGULAR:
        return _SINGULAR[word]
    if not is_plural(word):
        return word
    stems = [f"{word[:-3]}{end}" for end in ("f", "fe", "y")] + [word.replace("men", "man"), word.replace("ee", "oo")]
    stems += [word[:-2]] if _TAKES_ES.search(word[:-2]) else []
    return next((stem for stem in (*stems, word[:-1]) if stem != word and pluralize(stem) == word), word)


@cache
def kind_of(name: str) -> str:
    """The kind of thing that a name is of, in lower case and the singular; '' if the name does not say.

    Nouns for one kind are equal: `sphere` is `ball`. A general noun such as "thing" says nothing.
    """
    head = singularize(head_word(name)) if name.strip() else ""
    return "" if head in GENERAL else _KIND_OF.get(head, head)


@cache
def colours_of(name: str) -> frozenset[str]:
    """The basic colours that the words of a name allow; empty if it names none."""
    words = _WORD.findall(name.lower())
    return frozenset().union(*(COLOUR_FAMILIES.get(word, frozenset()) for word in words[:-1]))


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
