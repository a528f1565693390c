"""The kind of edit that an instruction asks for, from its first word."""

from __future__ import annotations

ADDING_WORDS = ("add", "insert", "put", "place")
"""First words of instructions that add a thing."""
REPLACING_WORDS = ("replace",)
"""First words of instructions that replace one thing by another."""
_OPERATION_OF = {**dict.fromkeys(ADDING_WORDS, "add"), **dict.fromkeys(REPLACING_WORDS, "replace")}


def first_word(text: str) -> str:
    """The first word in lower case, '' if there is none; a leading `please` is skipped."""
    return next((word for word in text.casefold().split() if word.strip(",") != "please"), "")


def operation_of(text: str) -> str:
    """`add` or `replace`, from the first word; '' for any other word."""
    return _OPERATION_OF.get(first_word(text), "")
