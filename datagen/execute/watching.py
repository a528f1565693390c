"""Who is told of a run, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from datagen.execute.commit import Report
from datagen.execute.ledger import Counts
from datagen.execute.tally import Tallies


class Told(NamedTuple):
    """How far a run is: slices and records that were computed now."""

    slices: int
    counts: Counts


class Heard(NamedTuple):
    """What an engine tells as it goes."""

    tallies: Tallies
    """What stages did since it told last."""
    report: Report | None = None
    """Of a slice that was committed."""
    notes: Sequence[str] = ()
    """What a person should know."""
    workers: Mapping[str, int] = {}
    """How many each stage has."""


class Watching(Protocol):
    """Whoever is told of a run, and may end it."""

    @property
    def stopping(self) -> bool:
        """No further slice is to be begun."""
        ...

    def say(self, text: str) -> None:
        """Something that happens once."""
        ...

    def slice_done(self, told: Told) -> None:
        """A slice was committed."""
        ...


@dataclass
class Summary:
    """What a run came to."""

    counts: Counts
    slices: int
    computed: int
    """Slices computed now; the others were committed before."""
    seconds: float
    tallies: Tallies = field(default_factory=dict)
    """What each stage did now."""
    shards: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    example: str = ""
    """Key of one accepted sample."""
    failed: list[str] = field(default_factory=list)
    """Ids of some that failed."""
    waits_for: str = ""
    """What keeps a shared OUT from being packed by this run; '' if it was packed."""
