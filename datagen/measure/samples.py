"""Whether accepted samples are right in every respect, and how many of the right candidates were accepted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.geometry import dilate, iou
from datagen.imaging.image import Mask, Pixels
from datagen.measure.boxes import RIGHT
from datagen.measure.intervals import Share, share_of
from datagen.measure.ledger_view import LedgerView
from datagen.measure.truth import TrueSession, WindowName
from datagen.models.grammar import singularize
from datagen.worlds.wording import NUMBERS

RESPECTS = ("words", "boxes", "conflicts", "outside", "shown", "stray", "moved")
"""What has to be right in a sample:

- `words`: each turn's instruction was read as the truth's operation, object and number.
- `boxes`: each edit's box has an IoU above 0.5 with the true one; that of a global edit is the frame.
- `conflicts`: no relation of the turns makes the window unfit to be one edit.
- `outside`: outside the regions of the edits the target equals the source to the pixel.
- `shown`: the target shows 95 % of the pixels that the turns edited and that can be seen, as the last of the turns that
  edited them left them, but for what a fit of colours changes and for what damage edited elsewhere.
- `stray`: the target shows less than 5 % of what damage edited elsewhere: there it is nearer to the source, after the
  turns' changes of the whole picture, than to the damaged picture.
- `moved`: damage has not moved the target by more than the filter of alignment allows, where there is one.
"""
_SHOWN = 0.95
_STRAY = 0.05
_SEEN = 8
"""Grey levels by which a pixel has to differ from the source to be seen."""
_FITTED = 64
"""Grey levels by which a fit of colours may change a pixel."""
_LEFT_OUT = {"a", "an", "the", *NUMBERS}
"""Words of an object's name that its number and article are."""


class Regions(NamedTuple):
    """How the pipeline pastes the source back."""

    grow: int
    """Pixels by which regions are grown."""
    most_shift: float | None
    """Largest shift that its filter of alignment lets pass, None if it has none."""


class StoredEdits(NamedTuple):
    """What a sample of the dataset says and shows."""

    edits: Sequence[Mapping[str, Any]]
    source: Pixels
    target: Pixels
    region: Mask
    """`mask_0`: the union of the regions before they are grown, HW."""


@dataclass(frozen=True)
class SampleShares:
    """How good the accepted samples are."""

    right: Share
    """Of the accepted samples, the share that is right in every respect."""
    wrong: dict[str, int]
    """By respect, how many accepted samples are wrong in it; one sample may be in several."""
    yielded: Share
    """Of the right candidates, the share that was accepted: windows without a conflict that did not move too far."""
    lost: dict[str, int]
    """Where the other right candidates were lost, by `stage/reason`."""


class WindowCase(NamedTuple):
    """One window that is accepted or a right candidate, or both."""

    photograph: str
    sound: bool
    """Whether it is a right candidate."""
    accepted: bool
    wrong: tuple[str, ...]
    """Respects in which the accepted sample is wrong."""
    lost: str
    """Where it was lost; '' if it was accepted."""


def window_case(
    session: TrueSession, window: WindowName, view: LedgerView, sample: StoredEdits | None, *, regions: Regions
) -> WindowCase:
    """What became of one window. `sample` is what the dataset has of it, None if it has nothing."""
    moved = _is_moved(session, window, regions)
    sound = not session.conflicts(window) and not moved
    if sample is None:
        return WindowCase(session.photograph, sound, False, (), view.lost_at(window) or "pack/dropped")
    wrong = _faults(session, window, view, sample, regions)
    return WindowCase(session.photograph, sound, True, wrong, "")


def _is_moved(session: TrueSession, window: WindowName, regions: Regions) -> bool:
    most = regions.most_shift
    return most is not None and not session.has_flip(window) and session.shift(window) > most


def _faults(
    session: TrueSession, window: WindowName, view: LedgerView, sample: StoredEdits, regions: Regions
) -> tuple[str, ...]:
    turns = range(window.first, window.last + 1)
    edits = sample.edits
    same = len(edits) == len(turns)
    parts = [_parts(view, session.name, turn) for turn in turns]
    return tuple(
        name
        for name, right in {
            "words": same and all(map(reads_right, parts, map(session.truth, turns), edits)),
            "boxes": same and all(_is_box_right(edit, session, turn) for edit, turn in zip(edits, turns, strict=True)),
            "conflicts": not session.conflicts(window),
            "outside": _is_outside_kept(sample, regions.grow),
            "shown": _is_shown(session, window, sample),
            "stray": not _shows_stray(session, window, sample),
            "moved": not _is_moved(session, window, regions),
        }.items()
        if not right
    )


def _parts(view: LedgerView, session: str, turn: int) -> Sequence[Mapping[str, Any]]:
    row = view.turns.get((session, turn))
    return row.fields.get("parts", ()) if row else ()


def reads_right(parts: Sequence[Mapping[str, Any]], truth: Mapping[str, Any], edit: Mapping[str, Any]) -> bool:
    """Whether an instruction was read as it was meant, in its parts and in the row of its edit.

    A standing order besides is no part of the edit. An undo names nothing, and a pronoun stands for no name.
    """
    own = [part for part in parts if "standing" not in part["cues"]]
    if len(own) != truth["count"] or any(part["op"] != truth["op"] for part in own) or edit["op"] != truth["op"]:
        return False
    if truth["op"] in ("undo", "global"):
        return True
    meant = [] if truth["object"] == "it" else words_of(truth["object"])
    return all(words_of(name) == meant for name in (*(part["object"] for part in own), edit["object"]))


def words_of(name: str) -> list[str]:
    """The words of an object's name without article and number, the noun in the singular."""
    words = [word for word in re.findall(r"[\w'-]+", name.lower()) if word not in _LEFT_OUT]
    return [*words[:-1], singularize(words[-1])] if words else []


def _is_box_right(edit: Mapping[str, Any], session: TrueSession, turn: int) -> bool:
    return len(edit["box"]) == 4 and iou(tuple(edit["box"]), session.box(turn)) > RIGHT


def _is_outside_kept(sample: StoredEdits, grow: int) -> bool:
    if sample.source.shape != sample.target.shape:
        return False
    outside_HW = ~dilate(sample.region, grow)
    return np.array_equal(sample.source[outside_HW], sample.target[outside_HW])


def _is_shown(session: TrueSession, window: WindowName, sample: StoredEdits) -> bool:
    """Whether the edits are seen. Their colours may have been fitted to the source's, so they need not be equal."""
    before, after = (picture.array for picture in session.pictures(window))
    if after.shape != sample.target.shape or sample.source.shape != sample.target.shape:
        return False
    edited_HW, left_HWC = np.zeros(before.shape[:2], np.bool_), before.copy()
    for turn in range(window.first, window.last + 1):
        mask_HW = session.mask(turn)
        edited_HW |= mask_HW
        left_HWC[mask_HW] = session.turns[turn - 1].target.array[mask_HW]
    seen_HW = edited_HW & ~session.stray(window) & (_apart(before, left_HWC) > _SEEN)
    if not seen_HW.any():
        return True
    kept_HW = (sample.target == sample.source).all(axis=-1)
    shown_HW = ~kept_HW & (_apart(sample.target, left_HWC) <= _FITTED)
    return bool(shown_HW[seen_HW].mean() >= _SHOWN)


def _apart(one: Pixels, other: Pixels) -> NDArray[np.int16]:
    """The largest difference of two pictures' channels, HW, in grey levels."""
    return np.asarray(np.abs(one.astype(np.int16) - other).max(axis=-1), np.int16)


def _shows_stray(session: TrueSession, window: WindowName, sample: StoredEdits) -> bool:
    stray_HW = session.stray(window)
    if not stray_HW.any() or sample.source.shape != sample.target.shape:
        return False
    _, after = session.pictures(window)
    if after.array.shape != sample.target.shape:
        return False
    # Drift and noise are not what was edited elsewhere: a target that shows it is nearer to the picture that has it.
    changed_HW = _apart(sample.target, session.retoned(window, sample.source))
    shown_HW = (changed_HW > _SEEN) & (_apart(sample.target, after.array) < changed_HW)
    return bool(shown_HW[stray_HW].mean() >= _STRAY)


def sample_shares(cases: Sequence[WindowCase]) -> SampleShares:
    """How many accepted samples are right, and how many right candidates were accepted."""
    accepted = [case for case in cases if case.accepted]
    sound = [case for case in cases if case.sound]
    wrong = Counter(name for case in accepted for name in case.wrong)
    lost = Counter(case.lost for case in sound if not case.accepted)
    return SampleShares(
        right=share_of((case.photograph, not case.wrong) for case in accepted),
        wrong={name: wrong[name] for name in RESPECTS if wrong[name]},
        yielded=share_of((case.photograph, case.accepted) for case in sound),
        lost=dict(lost.most_common()),
    )
