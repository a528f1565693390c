"""COCO's run-length encoded masks: parse them, and compute area, box and intersection without decoding pixels.

A mask is a sequence of runs of pixels, column by column, background first. COCO writes the lengths of the runs as a
list or as text (`rleToString` in cocoapi's common/maskApi.c). In the text a length is a sequence of groups of five
bits, the lowest first. A group is the character with code 48 plus its value, plus 32 if another group follows. From the
fourth length on, the difference from the last but one is written. Cocoapi reads past the end of a truncated text; this
module raises an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError
from datagen.core.fields import Box

LONGEST_TEXT = 2**24
"""Most characters of a mask's text."""
_ZERO, _MORE, _SIGN, _BITS = 48, 32, 16, 5
"""Code of the character for 0, flag that another group follows, sign bit of the last group, bits of a group."""
_MOST_GROUPS = 12
"""Most groups of five bits in one length; more would not fit into 64 bits."""


class RunLengthMask(NamedTuple):
    """A mask: int64 run lengths that add up to height x width."""

    counts: NDArray[np.int64]
    height: int
    width: int

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(self.counts[1::2].sum())

    @property
    def ends(self) -> NDArray[np.int64]:
        """The end of each run, in pixels from the first."""
        return np.cumsum(self.counts)

    @property
    def box(self) -> Box | None:
        """The smallest xyxy box around it, end excluded; None for an empty mask."""
        ends = self.ends
        starts, stops = (ends - self.counts)[1::2], ends[1::2]
        starts, stops = starts[stops > starts], stops[stops > starts]
        if not starts.size:
            return None
        last = stops - 1
        # A run that goes on in the next column covers the last row of one column and the first row of the next.
        wraps = bool((starts // self.height != last // self.height).any())
        top = 0 if wraps else int((starts % self.height).min())
        bottom = self.height if wraps else int((last % self.height).max()) + 1
        return int(starts.min() // self.height), top, int(last.max() // self.height) + 1, bottom

    def fits(self, other: RunLengthMask) -> bool:
        """Whether another mask has the same height and width."""
        return (self.height, self.width) == (other.height, other.width)

    def shared(self, other: RunLengthMask) -> int:
        """Number of pixels in both this mask and another of the same size."""
        # Pixels of the other mask before each end of a run are linear between the ends of its own runs: interpolate.
        edges = np.concatenate([[0], other.ends])
        inside = np.concatenate([[0], np.cumsum(np.where(np.arange(len(other.counts)) % 2, other.counts, 0))])
        ends = self.ends
        before = np.interp(ends[1::2], edges, inside) - np.interp((ends - self.counts)[1::2], edges, inside)
        return round(float(before.sum()))


def parse_rle(counts: str | Sequence[int], *, height: int, width: int) -> RunLengthMask:
    """A mask from COCO's run lengths, as text or as a list. Raises `DataError` unless they add up to height x width."""
    if isinstance(counts, str):
        found = _decode_text(counts)
    else:
        try:
            found = np.asarray(counts, np.int64).reshape(-1)
        except (ValueError, TypeError, OverflowError) as error:
            raise DataError(f"a mask's run lengths are no whole numbers: {error}") from error
    low, high = (int(found.min()), int(found.max())) if found.size else (0, 0)
    if low < 0 or high > height * width or int(found.sum()) != height * width:
        raise DataError(f"a mask's runs do not add up to its size, {width}x{height}")
    return RunLengthMask(found, height, width)


def _decode_text(text: str) -> NDArray[np.int64]:
    """The lengths of runs in a text. Raises `DataError`."""
    if len(text) > LONGEST_TEXT:
        raise DataError(f"a mask's text is longer than {LONGEST_TEXT:,} characters")
    if not text.isascii():
        raise DataError("a mask's text has characters that are none of COCO's")
    digits = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - _ZERO
    if not digits.size:
        return digits
    if digits.min() < 0 or digits.max() >= 2 * _MORE:
        raise DataError("a mask's text has characters that are none of COCO's")
    last = np.flatnonzero(digits < _MORE)
    if not last.size or last[-1] != digits.size - 1:
        raise DataError("a mask's text breaks off")
    first = np.concatenate([[0], last[:-1] + 1])
    groups = last - first + 1
    if groups.max() > _MOST_GROUPS:
        raise DataError("a mask's text spells a length that no picture has")
    shifts = (np.arange(digits.size) - np.repeat(first, groups)) * _BITS
    values = np.add.reduceat((digits % _MORE) << shifts, first)
    negative = (digits[last] & _SIGN) > 0
    values -= np.where(negative, np.int64(1) << (groups * _BITS), 0)
    return _undo_differences(values)


def _undo_differences(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lengths of runs, of which from the fourth on `values` has the difference from the last but one."""
    counts = values.copy()
    counts[1::2] = np.cumsum(values[1::2])
    counts[2::2] = np.cumsum(values[2::2])
    return counts
