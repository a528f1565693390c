from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any

from datagen import Answer, Map, Record, StageConfig

WAYS: Mapping[str, Callable[[Any], Any]] = {
    "sort": lambda given: given.sort(key=lambda thing: thing["label"], reverse=True),
    "append": lambda given: given.append(1),
    "extend": lambda given: given.__iadd__([1]),
    "item": lambda given: given.__setitem__(0, 1),
    "inner": lambda given: given[0].update(label="changed"),
    "deep": lambda given: given[0]["box"].__delitem__(0),
    "past the methods": list.reverse,
    "past the methods, deep": lambda given: dict.pop(given[0], "box"),
    "in C": lambda given: heapq.heapify(given[0]["attributes"]),
}


class Sorter(Map):
    """Change the list of objects in the given way, for the records called `sorted`, and answer its first label."""

    reads = ("objects", "caption")
    writes = ("subject",)

    class Config(StageConfig):
        """How."""

        way: str = "sort"

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        if self.config.way == "batch":
            batch.sort(key=lambda record: record["caption"])
        for record in batch:
            if self.config.way in WAYS and record["caption"] == "sorted":
                WAYS[self.config.way](record["objects"])
        return [{"subject": record["objects"][0]["label"]} for record in batch]
