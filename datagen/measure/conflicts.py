"""How well the judge of sessions finds the relations of turns, and the windows that conflict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from datagen.measure.intervals import Accuracy, FoundAndTrue, accuracy_of
from datagen.measure.ledger_view import LedgerView
from datagen.measure.truth import TrueSession
from datagen.models.session_judges.base import KINDS, is_conflict
from datagen.worlds.conflicts import TurnRelation

ANY = "any"
"""In place of a kind: whether two turns are related at all."""


class ConflictCase(NamedTuple):
    """One pair of turns by one kind of relation, or one window (kind `window`)."""

    kind: str
    thing: FoundAndTrue


WINDOW = "window"
"""In place of a kind: whether a window of turns conflicts."""


@dataclass(frozen=True)
class ConflictAccuracy:
    """How well relations of one kind are found."""

    kind: str
    accuracy: Accuracy


def conflict_cases(session: TrueSession, view: LedgerView, *, least: int, most: int | None) -> Iterator[ConflictCase]:
    """What the judge found in a session against what is true, of the turns that it was given.

    A relation that is not `sure` counts neither if it is found nor if it is not. `least` and `most` are the turns of a
    window.
    """
    found = view.judged(session.name)
    if found is None:
        return
    seen = view.seen(session.name)
    true = [each for each in session.relations if each.second in seen and each.first in (*seen, 0)]
    for kind, is_found, is_true in pair_cases(found, true):
        yield ConflictCase(kind, FoundAndTrue(session.photograph, is_found, is_true))
    for window in session.windows(least=least, most=most):
        if all(turn in seen for turn in range(window.first, window.last + 1)):
            conflicts = any(is_conflict(each, first=window.first, last=window.last) for each in found)
            yield ConflictCase(WINDOW, FoundAndTrue(session.photograph, conflicts, bool(session.conflicts(window))))


def pair_cases(found: Iterable[Mapping[str, Any]], true: Sequence[TurnRelation]) -> Iterator[tuple[str, bool, bool]]:
    """For each pair of turns and each kind that was found or has to be: the kind, whether it was found and is true."""
    by_found = {(each["first"], each["second"], each["kind"]) for each in found}
    sure = {(each.first, each.second, each.kind) for each in true if each.sure}
    open_ = {(each.first, each.second, each.kind) for each in true} - sure
    for key in sorted((by_found | sure) - open_):
        yield key[2], key in by_found, key in sure
    pairs_found, pairs_true = ({key[:2] for key in keys} for keys in (by_found, sure | open_))
    for pair in sorted(pairs_found | pairs_true):
        yield ANY, pair in pairs_found, pair in pairs_true


def conflict_accuracy(cases: Sequence[ConflictCase]) -> list[ConflictAccuracy]:
    """How well each kind is found, then all pairs, then windows; kinds that are neither found nor true are left out."""
    there = {case.kind for case in cases}
    return [
        ConflictAccuracy(kind, accuracy_of(case.thing for case in cases if case.kind == kind))
        for kind in (*KINDS, ANY, WINDOW)
        if kind in there
    ]
