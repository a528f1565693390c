"""Which kind of edit an instruction asks for, by its first word."""

from __future__ import annotations

ADDING_WORDS = ("add", "insert", "put", "place")
"""First words of instructions that add a thing."""
REPLACING_WORDS = ("replace",)
"""First words of instructions that put one thing in the place of another."""
_OPERATION_OF = {**dict.fromkeys(ADDING_WORDS, "add"), **dict.fromkeys(REPLACING_WORDS, "replace")}


def first_word(text: str) -> str:
    """The first word in lower case, '' if there is none; a `please` in front does not count."""
    return next((word for word in text.casefold().split() if word.strip(",") != "please"), "")


def operation_of(text: str) -> str:
    """`add` or `replace`; '' where the first word is of neither."""
    return _OPERATION_OF.get(first_word(text), "")
