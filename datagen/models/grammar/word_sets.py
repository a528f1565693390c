"""Sets of words that several modules use, and how they are written."""

from __future__ import annotations

from datagen.core.english import word_set

POSSESSIVES = word_set("my your his her its our their")
DEMONSTRATIVES = word_set("this that these those")
