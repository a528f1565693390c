from __future__ import annotations

from itertools import pairwise

from datagen import Combine, Joined, Lost, Merged, Record


class GatherSession(Combine):
    """A record for each window of two turns of a session."""

    reads = ("caption", "session")
    writes = ("caption",)
    by = "session"

    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        return [Merged(two, {"caption": f"{one['caption']}, then {two['caption']}"}) for one, two in pairwise(records)]
