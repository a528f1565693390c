"""The content of a record's card: everything that a sheet shows of one record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from datagen.report.pictures import Sheet

LONGEST = 600
"""Most characters of a value that are shown."""


class StageTime(NamedTuple):
    """The time that a stage took for a record or one of its ancestors."""

    record: str
    """Id of the record or the ancestor."""
    stage: str
    seconds: float


class Sound(NamedTuple):
    """An audio member, in FLAC."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Card:
    """The content of a card, for one record."""

    title: str
    ended: str
    """Its outcome, such as `accepted` or `rejected by sift: unlucky`."""
    sheet: Sheet
    detail: str = ""
    """The detail of a rejection, or the error."""
    instruction: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    """Names and values."""
    steps: tuple[StageTime, ...] = ()
    sounds: tuple[Sound, ...] = ()


def format_outcome(row: Mapping[str, Any]) -> str:
    """The outcome of a record in one line, from its row of the ledger."""
    place = f" by {row['stage']}" if row["stage"] else ""
    reason = f": {row['reason']}" if row["reason"] else ""
    return f"{row['status']}{place}{reason}"


def steps_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[StageTime]:
    """The stages of a record and its ancestors, from their rows of the ledger, oldest first."""
    for row in rows:
        yield from (StageTime(row["id"], stage, seconds) for stage, seconds in json.loads(row["seconds"]).items())


def format_value(value: Any) -> str:
    """A value as text in one line, cut after `LONGEST` characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
