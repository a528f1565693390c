"""Captions parsed by a small grammar of English."""

from __future__ import annotations

from typing import Literal

from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.graph_parsers.base import GraphParser
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.reading import read_caption


class RulesGraphParserConfig(ModelConfig):
    """Reads captions of simple sentences, and refuses all others; it needs no weights."""

    kind: Literal["rules"] = "rules"

    def load(self, device: str, *, runtime: Runtime) -> GraphParser:  # noqa: ARG002
        """The parser; it needs no device and no runtime."""
        return RulesGraphParser()


class RulesGraphParser:
    """Parses by rules; see `datagen.scene_graphs.reading.read_caption`."""

    async def parse(self, caption: str, *, record: str) -> SceneGraph:  # noqa: ARG002
        """See `GraphParser`."""
        return read_caption(caption)

    async def close(self) -> None:
        """Nothing to close."""
