"""What stages did, counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields


@dataclass
class Tally:
    """What one stage did with some records."""

    taken: int = 0
    """Records that met it."""
    passed: int = 0
    """Records that left it: those that it kept, or that it made."""
    rejected: int = 0
    failed: int = 0
    reused: int = 0
    """Records whose answer was kept from before."""
    calls: int = 0
    """How often it was called."""
    seconds: float = 0.0
    """Spent in its calls; calls at the same time are counted side by side."""
    tokens: int = 0
    usd: float = 0.0

    def add(self, other: Tally) -> None:
        """Add what it did elsewhere."""
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))

    def told(self) -> dict[str, float]:
        """By name, without what is nothing."""
        return {name: value for name, value in asdict(self).items() if value}


Tallies = dict[str, Tally]
"""By stage id."""


def add_all(total: Tallies, more: Iterable[tuple[str, Tally]]) -> None:
    """Add `more` to `total`."""
    for stage, tally in more:
        total.setdefault(stage, Tally()).add(tally)
