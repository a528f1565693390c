from __future__ import annotations

from datagen import Answer, Map, Record


class Interrupt(Map):
    """Stands for a person who presses Ctrl-C."""

    writes = ("task",)

    def process(self, batch: list[Record]) -> list[Answer]:
        raise KeyboardInterrupt
