"""How well the filter of alignment finds targets that damage has moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datagen.measure.intervals import Accuracy, FoundAndTrue, accuracy_of
from datagen.measure.ledger_view import LedgerRow, LedgerView
from datagen.measure.truth import TrueSession, WindowName


class AlignmentOptions(NamedTuple):
    """How the pipeline uses the filter."""

    score: str
    """Field of the measured shift."""
    most: float
    """Largest shift that passes, in pixels."""
    of_turns: bool
    """Whether it judges turns, before windows are made of them."""


class AlignmentCase(NamedTuple):
    """One target that the filter judged."""

    photograph: str
    measured: float
    true: float
    """Pixels."""


@dataclass(frozen=True)
class AlignmentAccuracy:
    """How well moved targets are found."""

    accuracy: Accuracy
    judged: int
    """Targets that came to the filter; those of mirrored pictures are left out."""
    error_median: float | None
    """Of the measured shift, in pixels; None if nothing was judged."""
    error_p95: float | None


def alignment_cases(session: TrueSession, view: LedgerView, *, options: AlignmentOptions) -> Iterator[AlignmentCase]:
    """The targets of a session that the filter judged."""
    if options.of_turns:
        turns = range(1, len(session.turns) + 1)
        rows = [(WindowName(session.name, turn, turn), view.turns.get((session.name, turn))) for turn in turns]
    else:
        windows = session.windows(least=1, most=None)
        rows = [(window, view.windows.get(window)) for window in windows]
    for window, row in rows:
        if _is_judged(row, options) and row and not session.has_flip(window):
            yield AlignmentCase(session.photograph, row.scores[options.score], session.shift(window))


def _is_judged(row: LedgerRow | None, options: AlignmentOptions) -> bool:
    return row is not None and options.score in row.scores


def alignment_accuracy(cases: Sequence[AlignmentCase], *, most: float) -> AlignmentAccuracy:
    """How well targets that moved by more than `most` pixels are found."""
    errors = [abs(case.measured - case.true) for case in cases]
    return AlignmentAccuracy(
        accuracy=accuracy_of(FoundAndTrue(case.photograph, case.measured > most, case.true > most) for case in cases),
        judged=len(cases),
        error_median=round(float(np.median(errors)), 3) if errors else None,
        error_p95=round(float(np.quantile(errors, 0.95)), 3) if errors else None,
    )
