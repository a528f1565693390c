"""Sets of words and patterns that several modules use, and how they are written."""

from __future__ import annotations

import re

from datagen.core.english import word_set

POSSESSIVES = word_set("my your his her its our their")
DEMONSTRATIVES = word_set("this that these those")
SENTENCE_END = re.compile(
    r"(?<![.!?…])(?<!\b\w)(?<!\betc)(?<!\bvs)(?<!\bmr)(?<!\bmrs)(?<!\bdr)(?<!\bst)(?<!\bno)(?<!\bapprox)[.!?…]+"
    r"(?=\s+[^\W\d]|\s+[\"“'(])",
    re.IGNORECASE,
)
"""The stops between two sentences; not that of "e.g.", "Mr." or a decimal number."""
