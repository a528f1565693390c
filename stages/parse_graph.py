"""Turn a caption into the scene graph of the picture that it asks for."""

from __future__ import annotations

from datagen import Answer, AsyncMap, Record, Reject, StageConfig
from datagen.models.graph_parsers import GraphParserConfig
from datagen.models.graph_parsers.rules import RulesGraphParserConfig
from datagen.scene_graphs.reading import NotUnderstoodError


class ParseGraph(AsyncMap):
    """Parse a caption into objects with counts and attributes, and relations between them.

    Rejects as `not_understood` what the parser is not sure of, such as a caption in another language. A graph may still
    be wrong, above all a model's: `validate_graph` checks it.
    """

    reads = ("caption",)
    writes = ("graph",)
    rejects = ("not_understood",)
    version = 1
    remote = False

    class Config(StageConfig):
        """Who parses."""

        parser: GraphParserConfig = RulesGraphParserConfig()
        """The model that parses."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the parser."""
        self.parser = self.config.parser.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Parse one caption."""
        try:
            graph = await self.parser.parse(record["caption"], record=record.id)
        except NotUnderstoodError as error:
            return Reject("not_understood", str(error).removeprefix("not understood: "))
        return {"graph": graph.row()}

    async def close(self) -> None:
        """Let go of what the parser opened, if it was loaded."""
        if hasattr(self, "parser"):
            await self.parser.close()
