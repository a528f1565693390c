from __future__ import annotations

from datagen import Combine, Joined, Lost, Merged, Record
from toys.note import SEEN, Note, Options, noted


class NoteAll(Combine):
    """One record of each parent's children, with a note of them and of those that were lost."""

    optional = ("o0", "o1")
    writes = ("out",)
    fields = Note.fields

    Config = Options
    config: Options

    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        found = "".join(noted(self, record) for record in records)
        for record in records:
            SEEN[self.id, record.id] = [SEEN[self.id, record.id], [other.id for other in records], lost]
        return [Merged(records[0], {"out": f"{found}{len(lost)}"})]
