"""What a sheet shows of one record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from datagen.report.pictures import Sheet

LONGEST = 600
"""Characters of a value that are shown."""


class StageTime(NamedTuple):
    """A stage that a record went through."""

    record: str
    """The record, or the one that it was made of."""
    stage: str
    seconds: float


class Sound(NamedTuple):
    """A member to be heard."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Card:
    """One record."""

    title: str
    ended: str
    """Such as `accepted`, or `rejected by sift: unlucky`."""
    sheet: Sheet
    detail: str = ""
    """Why it was rejected, or what failed."""
    instruction: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    """Names and values."""
    steps: tuple[StageTime, ...] = ()
    sounds: tuple[Sound, ...] = ()


def format_outcome(row: Mapping[str, Any]) -> str:
    """How a record ended, from its row of the ledger."""
    place = f" by {row['stage']}" if row["stage"] else ""
    reason = f": {row['reason']}" if row["reason"] else ""
    return f"{row['status']}{place}{reason}"


def steps_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[StageTime]:
    """What a record went through, from its row of the ledger and those of all it descends from, the oldest first."""
    for row in rows:
        yield from (StageTime(row["id"], stage, seconds) for stage, seconds in json.loads(row["seconds"]).items())


def format_value(value: Any) -> str:
    """A value in one line, not endless."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
