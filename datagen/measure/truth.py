"""The truth of drawn sessions, rendered again from the rows of their source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from datagen.core.errors import DatagenError
from datagen.core.fields import Box
from datagen.imaging.geometry import decode_rle, dilate
from datagen.imaging.image import Image, Mask, Pixels
from datagen.sources.base import SourceRow
from datagen.worlds.colours import tone
from datagen.worlds.conflicts import TurnRelation, window_conflicts
from datagen.worlds.session import RenderedTurn, render_session
from datagen.worlds.specification import WorldSpecification


class WindowName(NamedTuple):
    """A run of consecutive turns of a session."""

    session: str
    first: int
    last: int


class TrueSession:
    """One session: its turns are counted from 1."""

    def __init__(self, name: str, turns: Sequence[RenderedTurn]) -> None:
        self.name = name
        self.turns = turns
        truth = turns[0].truth
        self.photograph: str = truth["background"]
        self.damage: str = truth["damage"]["kind"]
        self.strength: float = truth["damage"]["strength"]

    @cached_property
    def relations(self) -> tuple[TurnRelation, ...]:
        """What stands between its turns."""
        return tuple(TurnRelation(**row) for turn in self.turns for row in turn.truth["relations"])

    def truth(self, turn: int) -> dict[str, Any]:
        """What is true of a turn."""
        return self.turns[turn - 1].truth

    def box(self, turn: int) -> Box:
        """Where a turn edits, in pixels of its source."""
        x0, y0, x1, y1 = self.truth(turn)["box"]
        return float(x0), float(y0), float(x1), float(y1)

    def is_local(self, turn: int) -> bool:
        """Whether a turn edits one thing, and not the picture."""
        return bool(self.truth(turn)["label"])

    def windows(self, *, least: int, most: int | None) -> Iterator[WindowName]:
        """All runs of `least` to `most` turns."""
        number = len(self.turns)
        for length in range(least, min(most or number, number) + 1):
            for first in range(1, number - length + 2):
                yield WindowName(self.name, first, first + length - 1)

    def conflicts(self, window: WindowName) -> list[TurnRelation]:
        """Why a window is no single edit; [] if it is one."""
        return window_conflicts(self.relations, first=window.first, last=window.last)

    def has_flip(self, window: WindowName) -> bool:
        """Whether a turn of the window mirrors the picture."""
        return any(turn.is_flip for turn in self.turns[window.first - 1 : window.last])

    def shift(self, window: WindowName) -> float:
        """How far damage has moved the window's target against its source, in pixels."""
        before = self.turns[window.first - 2].shift if window.first > 1 else (0.0, 0.0)
        after = self.turns[window.last - 1].shift
        return float(np.hypot(after[0] - before[0], after[1] - before[1]))

    def pictures(self, window: WindowName) -> tuple[Image, Image]:
        """The pictures before the window's first turn and after its last."""
        return self.turns[window.first - 1].source, self.turns[window.last - 1].target

    def mask(self, turn: int) -> Mask:
        """What a turn edits, HW in pixels of its own source; all that it changes if that is the whole picture."""
        mask = self.truth(turn)["mask"]
        return np.asarray(decode_rle(mask["counts"], tuple(mask["size"])), np.bool_)

    def edited(self, window: WindowName) -> Mask:
        """What the window's turns edit, HW; each turn in pixels of its own source."""
        masks = [self.mask(turn) for turn in range(window.first, window.last + 1)]
        return np.asarray(np.logical_or.reduce(masks), np.bool_)

    def stray(self, window: WindowName) -> Mask:
        """What damage edits elsewhere in the window's turns, HW, but for the things that they edit."""
        found_HW, things_HW = np.zeros_like(self.turns[0].stray), np.zeros_like(self.turns[0].stray)
        for turn in range(window.first, window.last + 1):
            found_HW, things_HW = self._as_after(turn, found_HW), self._as_after(turn, things_HW)
            found_HW = found_HW | self._new_stray(turn)
            if self.is_local(turn):
                things_HW = things_HW | self.mask(turn)
        return found_HW & ~things_HW

    def _new_stray(self, turn: int) -> Mask:
        """What damage edits elsewhere in a turn, HW; masks that moved have moved by whole pixels."""
        after_HW = self.turns[turn - 1].stray
        if turn == 1:
            return after_HW
        far = math.ceil(self.shift(WindowName(self.name, turn, turn)))
        return after_HW & ~dilate(self._as_after(turn, self.turns[turn - 2].stray), far)

    def _as_after(self, turn: int, mask_HW: Mask) -> Mask:
        return mask_HW[:, ::-1] if self.turns[turn - 1].is_flip else mask_HW

    def retoned(self, window: WindowName, picture_HWC: Pixels) -> Pixels:
        """A picture after what the window's turns do to the whole picture: their changes of tone, and flips."""
        for turn in self.turns[window.first - 1 : window.last]:
            for name in turn.tones:
                picture_HWC = tone(picture_HWC, name)
            if turn.is_flip:
                picture_HWC = np.ascontiguousarray(picture_HWC[:, ::-1])
        return picture_HWC


def true_sessions(rows: Iterable[SourceRow]) -> Iterator[TrueSession]:
    """The sessions of a source `world`, one after another; their pictures are let go as the next one is taken.

    A session that cannot be rendered, as a photograph cannot be read, is left out.
    """
    for name, turns in groupby(rows, key=lambda row: str(row.fields["session"])):
        first, *_ = turns
        try:
            rendered = render_session(WorldSpecification.model_validate(first.fields["world"]))
        except DatagenError:  # its records failed in the pipeline as well
            continue
        yield TrueSession(name, rendered)
