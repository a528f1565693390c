"""Sets of words that several modules use, and how they are written."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


POSSESSIVES = word_set("my your his her its our their")
DEMONSTRATIVES = word_set("this that these those")
