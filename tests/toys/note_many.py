from __future__ import annotations

from datagen import Children, Expand, Record
from toys.note import Note, Options, noted


class NoteMany(Expand):
    """As many children as a hash of what it is given says, each with a note."""

    optional = ("o0", "o1")
    writes = ("out",)
    fields = Note.fields

    Config = Options
    config: Options

    def process(self, batch: list[Record]) -> list[Children]:
        return [self._children(noted(self, record)) for record in batch]

    def _children(self, message: str) -> Children:
        return [{"out": "yes" if self.config.decides else f"{message}{n}"} for n in range(1 + int(message[0], 16) % 3)]
