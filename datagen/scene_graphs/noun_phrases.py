"""Objects of graphs as noun phrases, and noun phrases as objects.

Adjectives that the lexicon knows stand before the noun; other values follow it, so that they can be read again: `a cat
that is shy`, `a cat with a ginger texture`. A phrase has no relation in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final, Literal

from datagen.core.english import (
    MASS,
    PAIRED,
    head_word,
    indefinite_article,
    is_plural,
    number_word,
    pluralize,
    read_number,
    singularize,
)
from datagen.scene_graphs.graph import Attribute, GraphObject
from datagen.scene_graphs.lexicon import (
    FIXED_LABELS,
    KIND_NOUNS,
    KIND_OF,
    NOT_NOUNS,
    NOUNS,
    PLACES,
    PREDICATES,
    RANKS,
    SHADES,
    VERBS,
)

UNKNOWN_KIND: Final = "state"
"""The kind of a value that the lexicon does not know and whose kind is not named."""
MOST_NAMING: Final = 3
"""Most attributes in a name, besides all of them."""
_SINGULARS: Final = {
    f"{stem}s": stem for stem in ("house", "greenhouse", "lighthouse", "blouse", "cruise", "axe", "vase", "genie")
}
_WORD: Final = re.compile(r"[^\W_][\w'’&-]*")  # noqa: RUF001
_MOST_LABEL_WORDS: Final = 4


def kind_of_value(value: str) -> str:
    """The kind of attribute that a value is of by the lexicon; '' if it does not know it."""
    first, _, last = value.partition(" ")
    if first in SHADES and KIND_OF.get(last) == "colour":
        return "colour"
    return KIND_OF.get(value, "")


def plural_label(label: str) -> str:
    """The plural of a label: `glasses of water`, `fire trucks`. One that is a plural already stays."""
    head = head_word(label) if label.strip() else label
    words = label.split()
    at = next((i for i, word in enumerate(words) if word.lower() == head), len(words) - 1)
    if not words or (is_plural(head) and head not in PAIRED):
        return label
    return " ".join([*words[:at], words[at] if head in PAIRED else pluralize(words[at]), *words[at + 1 :]])


def noun_phrase(
    node: GraphObject, *, attributes: Sequence[Attribute] | None = None, several: bool | None = None
) -> str:
    """A node's label with attributes (by default all of them), without an article or a number.

    `several` decides between singular and plural, by default the node's count does.
    """
    several = node.count > 1 if several is None else several
    chosen = list(node.attributes if attributes is None else attributes)
    before = [each for each in chosen if kind_of_value(each.value) == each.kind]
    before.sort(key=lambda each: (RANKS[each.kind], chosen.index(each)))
    after = [each for each in chosen if each not in before]
    label = plural_label(node.label) if several else node.label
    return " ".join([*(each.value for each in before), label, *_tail(after, several=several)])


def _tail(attributes: Sequence[Attribute], *, several: bool) -> Iterator[str]:
    """What follows a noun: states first, then values with their kinds."""
    states = [each.value for each in attributes if each.kind == UNKNOWN_KIND]
    if states:
        yield f"that {'are' if several else 'is'} {' and '.join(states)}"
    named = [with_article(f"{each.value} {each.kind}") for each in attributes if each.kind != UNKNOWN_KIND]
    if named:
        yield f"with {' and '.join(named)}"


def with_article(words: str) -> str:
    """`a red star`, `an orange star`."""
    return f"{indefinite_article(words)} {words}"


def counted(node: GraphObject) -> str:
    """A node that was not mentioned before: `a red circle`, `three red circles`, `some water`, `a pair of scissors`."""
    words = noun_phrase(node)
    paired = head_word(node.label) in PAIRED if node.label.strip() else False
    if node.count > 1:
        return f"{number_word(node.count)} {'pairs of ' if paired else ''}{words}"
    if paired:
        return f"a pair of {words}"
    return f"some {words}" if head_word(words) in MASS and head_word(node.label) in MASS else with_article(words)


def choices_of_attributes(node: GraphObject) -> Iterator[tuple[Attribute, ...]]:
    """The attributes that a name of a node may have, fewest first: at most `MOST_NAMING` of them, or all."""
    attributes = node.attributes
    for size in dict.fromkeys((*range(min(MOST_NAMING, len(attributes)) + 1), len(attributes))):
        yield from combinations(attributes, size)


def bare_names(node: GraphObject, *, several: bool) -> Iterator[str]:
    """Phrases that may name a node, without article and number, in lower case, in the order of their attributes."""
    for chosen in choices_of_attributes(node):
        yield noun_phrase(node, attributes=chosen, several=several).lower()


def definite(bare: str, node: GraphObject) -> str:
    """A name with its article, and its number if there are several: `the cat`, `the two cats`."""
    return f"the {number_word(node.count)} {bare}" if node.count > 1 else f"the {bare}"


class NounPhraseReader:
    """Reads what `counted` writes, and what else is surely an object that was not mentioned before.

    `labels` may be read though the lexicon does not know their words. With `compounds` "any", so may all labels of
    several words that are no adjectives: right where nobody writes adjectives that the lexicon lacks before a noun,
    as in instructions that `write_edit` wrote.
    """

    def __init__(self, labels: Iterable[str] = (), *, compounds: Literal["known", "any"] = "known") -> None:
        self._labels = {label.lower(): label for label in labels}
        self._any_compound = compounds == "any"

    def read(self, tokens: Sequence[str]) -> GraphObject | None:
        """The object, without an id (`?`); None if the tokens are no such phrase, or it is not sure what they say."""
        phrase, tail = _split_tail(tokens)
        number = _determiner([token.lower() for token in phrase])
        if number is None:
            return None
        count, length, paired = number
        bare = phrase[length:]
        after = _read_tail(tail, several=count > 1)
        if after is None:
            return None
        before, rest = self._adjectives(bare, several=count > 1 or paired)
        label = self._label(rest, several=count > 1, paired=paired)
        if not label or (tokens[0].lower() == "some" and head_word(label) not in MASS):
            return None
        attributes = (*before, *after)
        if len({each.kind for each in attributes}) < len(attributes):
            return None
        return GraphObject(id="?", label=label, count=count, attributes=attributes)

    def _adjectives(self, tokens: Sequence[str], *, several: bool) -> tuple[list[Attribute], list[str]]:
        rest, found = list(tokens), []
        while len(rest) > 1 and not self._known(rest, several=several):
            width = 2 if rest[0].lower() in SHADES and len(rest) > 2 and KIND_OF.get(rest[1].lower()) == "colour" else 1
            value = " ".join(rest[:width]).lower()
            kind = kind_of_value(value)
            if not kind or rest[width].lower() == "of":  # in "a glass of water" it is a noun
                break
            found.append(Attribute(kind=kind, value=value))
            rest = rest[width:]
            if rest[0] == "," and len(rest) > 1:
                rest = rest[1:]
        return found, rest

    def _known(self, tokens: Sequence[str], *, several: bool) -> bool:
        label = self._singular(tokens) if several else " ".join(tokens)
        return label.lower() in self._labels or label.lower() in FIXED_LABELS

    def _singular(self, tokens: Sequence[str]) -> str:
        """The label of these words in the plural; '' if they are no plural."""
        text = " ".join(tokens)
        for label in self._labels.values():
            if plural_label(label).lower() == text.lower():
                return label
        head = next((i for i, token in enumerate(tokens) if i and token.lower() == "of"), len(tokens)) - 1
        word = tokens[head]
        one = _SINGULARS.get(word.lower()) or singularize(word.lower())
        if pluralize(one) != word.lower():
            return ""
        return " ".join([*tokens[:head], one, *tokens[head + 1 :]])

    def _label(self, tokens: Sequence[str], *, several: bool, paired: bool) -> str:
        """The label that these words surely are; '' if they are none."""
        if not tokens:
            return ""
        if paired and tokens[-1].lower() in PAIRED:
            label = " ".join(tokens)
        elif several or paired:
            label = self._singular(tokens)
        else:
            label = " ".join(tokens)
            label = "" if is_plural(head_word(label)) and label.lower() not in self._labels else label
        return self._labels.get(label.lower()) or (label if self._is_noun(label.lower().split()) else "")

    def _is_noun(self, words: Sequence[str]) -> bool:
        """Whether words in lower case are surely the name of one kind of thing."""
        if not 0 < len(words) <= _MOST_LABEL_WORDS or not all(_WORD.fullmatch(word) for word in words):
            return False
        if "of" in words[1:-1]:
            at = words.index("of")
            return self._is_noun(words[:at]) and self._is_noun(words[at + 1 :])
        if any(word in NOT_NOUNS or read_number(word) is not None for word in words):
            return False
        *before, last = words
        if last not in NOUNS and (last in VERBS or last in KIND_NOUNS or last in KIND_OF or last.endswith("ing")):
            return False
        # "a circle never above a star" has no label "circle never".
        is_known = (last in NOUNS and all(word in NOUNS or word in PLACES for word in before)) or not before
        return self._any_compound or is_known or " ".join(words) in FIXED_LABELS


_NUMBERS_TO: Final = 1000


def _determiner(words: Sequence[str]) -> tuple[int, int, bool] | None:
    """How many things a phrase in lower case counts, how many words say so, and whether they say pairs."""
    first = words[0] if words else ""
    one = first in ("a", "an", "some", "another", "one")
    count = 1 if one else read_number(first)
    if count is None or not 1 <= count <= _NUMBERS_TO:
        return None
    if words[1:3] in (["pair", "of"], ["couple", "of"]) and first in ("a", "one"):
        is_paired = words[-1] in PAIRED and words[1] == "pair"
        return (1 if is_paired else 2), 3, is_paired
    if words[1:3] == ["pairs", "of"]:
        return (count, 3, True) if words[-1] in PAIRED else None
    return count, 1, False


def _split_tail(tokens: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    at = next((i for i, token in enumerate(tokens) if i and token.lower() in ("that", "with")), len(tokens))
    return tokens[:at], tokens[at:]


def _read_tail(tokens: Sequence[str], *, several: bool) -> list[Attribute] | None:
    """The attributes after a noun; None if the tokens are something else."""
    words = [token.lower() for token in tokens]
    found: list[Attribute] = []
    if words[:1] == ["that"]:
        end = words.index("with") if "with" in words else len(words)
        if words[1:2] != ["are" if several else "is"]:
            return None
        for value in _split(words[2:end], "and"):
            if not _is_value(value):
                return None
            found.append(Attribute(kind=UNKNOWN_KIND, value=" ".join(value)))
        words = words[end:]
    if not words:
        return found
    for phrase in _split(words[1:], "and"):
        article, *value, kind = phrase if len(phrase) > 2 else ("", "", "")
        if article not in ("a", "an") or not (kind in KIND_NOUNS and _is_value(value)):
            return None
        found.append(Attribute(kind=kind, value=" ".join(value)))
    return found


def _is_value(words: Sequence[str]) -> bool:
    return bool(words) and not any(
        word in NOT_NOUNS or word in PREDICATES or word == "," or word.endswith("ing") for word in words
    )


def _split(words: Sequence[str], mark: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == mark:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def tokens_of(text: str) -> list[str]:
    """The words of a text, and its commas, one by one."""
    return text.replace(",", " , ").split()


def named_nodes(tokens: Sequence[str], nodes: Collection[GraphObject], *, exactly: bool = True) -> list[GraphObject]:
    """The nodes that a definite phrase may name, in their order: `the red circle`, `the two blue squares`.

    A name without a number fits one thing in the singular and several in the plural. With `exactly` False a name fits
    whatever the number of things is.
    """
    words = [token.lower() for token in tokens]
    if words[:1] != ["the"] or len(words) < 2:
        return []
    count = read_number(words[1]) if len(words) > 2 else None
    text = " ".join(words[1 if count is None else 2 :])
    found = []
    for node in nodes:
        if exactly and count is not None and count != node.count:
            continue
        several = node.count > 1
        forms = (several,) if exactly else (False, True)
        if any(text == bare for form in forms for bare in bare_names(node, several=form)):
            found.append(node)
    return found
