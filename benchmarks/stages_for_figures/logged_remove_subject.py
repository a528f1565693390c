"""`remove_subject`, whose records are counted."""

from __future__ import annotations

from datagen import Answer, Record
from stages.remove_subject import RemoveSubject


class LoggedRemoveSubject(RemoveSubject):
    """Remove each subject, and enter it in a file."""

    class Config(RemoveSubject.Config):
        """Where calls are noted."""

        log: str

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        with open(self.config.log, "a", encoding="utf-8") as file:
            file.writelines(f"remove {record.id}\n" for record in batch)
        return super().process(batch)
