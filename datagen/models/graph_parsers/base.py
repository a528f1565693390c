"""The protocol of graph parsers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datagen.scene_graphs.graph import SceneGraph


class GraphParser(Protocol):
    """Turns a caption into the graph of the picture that it asks for."""

    async def parse(self, caption: str, *, record: str) -> SceneGraph:
        """The graph of the caption of the record with this id; ids are `o1`, `o2`, ... in the order of mention.

        It may not be sound: see `datagen.scene_graphs.checks`. Raises `NotUnderstoodError` if the caption names nothing
        that the parser is sure of, and `DataError` if there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
