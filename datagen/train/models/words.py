"""Words as numbers, without a vocabulary: a word's number is a hash of it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+|[^\w\s]")


def word_numbers(texts: Sequence[str], *, words: int, vocabulary: int) -> NDArray[np.int64]:
    """The numbers of each text's words, from 1 to below `vocabulary`; 0 where a text is shorter. N,words.

    What goes beyond `words` is cut off. Two words may share a number: of 1,000 words among 4,096 numbers every fifth
    does.
    """
    found = np.zeros((len(texts), words), np.int64)
    for row, text in enumerate(texts):
        for column, word in enumerate(_WORD.findall(text.casefold())[:words]):
            found[row, column] = 1 + zlib.crc32(word.encode()) % (vocabulary - 1)
    return found
