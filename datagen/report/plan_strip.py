"""A plan, or what was judged of one, as a strip: one frame a picture, with the words of its step and its fault.

Values may come from a damaged ledger or KEY.json: what is invalid counts as missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from datagen.core.fields import PLACEHOLDER, Box
from datagen.report.film import box_in, rows_in

INCONSISTENT = "inconsistent"
INSPECT_TEXT = "inspect_text"
REFINE = "refine"
"""Tasks: a description is judged, with all steps before it; a flawed source is mended."""
_WORDS = ("description", "verdict", "critique", "correction")
"""Keys of a step that a turn of an editing session does not have."""


class StripFrame(NamedTuple):
    """One frame. `picture` names its picture without extension, '' if its step names none."""

    title: str
    """`before`, `step 1` and so on, `flawed`, or `mended`."""
    picture: str
    instruction: str = ""
    description: str = ""
    verdict: str = ""
    critique: str = ""
    correction: str = ""
    fault: Box | None = None
    """Where the picture is wrong: xyxy in pixels of the original picture."""

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong with its picture, or with what its step says."""
        return self.verdict == INCONSISTENT or self.title == "flawed"

    def lines(self) -> list[str]:
        """The frame in words."""
        words = [f"{self.title}{f': {self.instruction}' if self.instruction else ''}"]
        words += [f"{name}: {getattr(self, name)}" for name in _WORDS if getattr(self, name)]
        edges = " ".join(f"{edge:.5g}" for edge in self.fault or ())
        return [*words, f"fault in box {edges}"] if edges else words


class CheckedAtom(NamedTuple):
    """One thing that a picture was checked for; `expected` and `found` are words."""

    kind: str
    expected: str
    found: str
    holds: bool

    def line(self) -> str:
        """The check in words."""
        what = f"{self.kind}: {self.expected}"
        return what if self.holds else f"{what}, found {self.found or 'nothing'}"


def strip_of(values: Mapping[str, Any], *, pictures: Collection[str]) -> tuple[StripFrame, ...]:
    """The frames of a record with the field `steps`; () if it has none, or if they are the turns of a session.

    `pictures` are the names of the pictures that it has. The steps are preceded by the source, if there is one; not
    those of a text that is judged, whose source is the picture before its last step. A record of task `refine` has two
    frames, the flawed source and the mended target. The box of the field `fault` lies on the flawed source, else on
    the picture of the last step that is inconsistent, else on the last picture.
    """
    steps = rows_in(values.get("steps"))
    if not steps or _is_session(steps, values):
        return ()
    fault = _fault_box(values)
    if values.get("task") == REFINE:
        words = str(values.get("text") or values.get("instruction") or "")
        return tuple(_refined(steps[0], words.replace(PLACEHOLDER, "").strip(), fault))
    number = values.get("step")
    first = max(number - len(steps), 0) + 1 if isinstance(number, int) else 1
    wrong = [place for place, step in enumerate(steps) if step.get("verdict") == INCONSISTENT] or [len(steps) - 1]
    frames = [
        _step_frame(f"step {first + place}", step)._replace(fault=fault if place == wrong[-1] else None)
        for place, step in enumerate(steps)
    ]
    shown = [*(frame.picture for frame in frames), *(["source"] if values.get("task") == INSPECT_TEXT else [])]
    before = "source" in pictures and "source" not in shown
    return (*([StripFrame("before", "source")] if before else []), *frames)


def fault_words(values: Mapping[str, Any]) -> str:
    """The kind of the field `fault`, such as `count_more`; '' if nothing is wrong."""
    fault = values.get("fault")
    return str(fault.get("kind") or "") if isinstance(fault, Mapping) else ""


def checks_of(values: Mapping[str, Any]) -> tuple[CheckedAtom, ...]:
    """The rows of the field `atoms`, those that do not hold first."""
    rows = [row for row in rows_in(values.get("atoms")) if isinstance(row.get("holds"), bool)]
    kind, expected, found = ([str(row.get(name) or "") for row in rows] for name in ("kind", "expected", "found"))
    holds = [bool(row["holds"]) for row in rows]
    checks = map(CheckedAtom, kind, expected, found, holds)
    return tuple(sorted(checks, key=lambda each: each.holds))


def _is_session(steps: list[dict[str, Any]], values: Mapping[str, Any]) -> bool:
    edits = rows_in(values.get("edits"))
    return len(edits) == len(steps) and not any(step.get(name) for step in steps for name in _WORDS)


def _fault_box(values: Mapping[str, Any]) -> Box | None:
    fault = values.get("fault")
    return box_in(fault.get("box")) if isinstance(fault, Mapping) else None


def _refined(step: Mapping[str, Any], words: str, fault: Box | None) -> Iterator[StripFrame]:
    found = _step_frame("", step)
    # the words of the sample are the correction; the step's may be what the flawed picture was painted for
    correction = found.correction or words
    wish = "" if found.instruction == correction else found.instruction
    yield StripFrame("flawed", "source", wish, "", found.verdict, found.critique, correction, fault)
    yield StripFrame("mended", "target", description=found.description)


def _step_frame(title: str, step: Mapping[str, Any]) -> StripFrame:
    instruction, description, verdict, critique, correction = (
        str(step.get(name) or "") for name in ("instruction", *_WORDS)
    )
    picture = str(step.get("image") or "").split(".")[0]
    return StripFrame(title, picture, instruction, description, verdict, critique, correction)
