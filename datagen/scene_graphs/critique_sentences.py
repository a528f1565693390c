"""Sentences that say what is wrong with a picture of a graph, whether the fault was made or found.

`name` is always a definite name, such as "the red circle"; see `wording.name_of`.
"""

from __future__ import annotations

from datagen.core.english import number_word, sentence
from datagen.scene_graphs.graph import OPPOSITES, GraphObject
from datagen.scene_graphs.wording import predicate_words


def missing_object(name: str, node: GraphObject) -> str:
    """`The two red circles are missing.`"""
    return sentence(f"{name} {'is' if node.count == 1 else 'are'} missing")


def wrong_value(name: str, *, wanted: str, found: str) -> str:
    """`The circle should be red, not blue.`"""
    return sentence(f"{name} should be {wanted}, not {found}")


def wrong_number(things: str, *, wanted: int, found: int) -> str:
    """`There should be three red circles, not two.`; `things` has neither article nor number."""
    return sentence(f"there should be {number_word(wanted)} {things}, not {number_word(found)}")


def wrong_place(name: str, predicate: str, *, other_name: str, other: GraphObject, found: str = "") -> str:
    """`The circle should be above the star, not below it.`; `found` is left out if it is no known predicate."""
    should = f"{name} should be {predicate_words(predicate)} {other_name}"
    if found not in OPPOSITES:
        return sentence(should)
    return sentence(f"{should}, not {predicate_words(found)} {'it' if other.count == 1 else 'them'}")
