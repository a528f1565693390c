from __future__ import annotations

from datagen import Combine, Joined, Lost, Record


class Misgather(Combine):
    """Answer nothing at all."""

    reads = ("subject",)

    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        return None  # type: ignore[return-value]
