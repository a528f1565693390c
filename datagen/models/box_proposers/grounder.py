"""Boxes that a vision-language model gives for what the instruction names."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Literal

from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.box_proposers.base import BoxCandidate, BoxProposer, EditedPair, Side, on_source, searches
from datagen.models.grounders import BoxAskerConfig
from datagen.models.grounders.base import Grounder


class GrounderProposerConfig(ModelConfig):
    """A vision-language model that grounds phrases (MCIE: Qwen2.5-VL-72B); one call for each picture searched."""

    kind: Literal["grounder"] = "grounder"
    needs: ClassVar[tuple[str, ...]] = ("op", "object")
    remote: ClassVar[bool] = True

    asker: BoxAskerConfig
    """The model that tells boxes."""

    def load(self, device: str, *, runtime: Runtime) -> BoxProposer:
        """The proposer. Raises `SetupError` if its model cannot be used."""
        return GrounderProposer(self, self.asker.load(device, runtime=runtime))


class GrounderProposer:
    """Asks for the source and the target side by side, as the operation wants."""

    def __init__(self, config: GrounderProposerConfig, grounder: Grounder) -> None:
        self._by = config.asker.model.model
        self._grounder = grounder

    async def propose(self, pair: EditedPair, *, record: str) -> list[BoxCandidate]:
        """See `BoxProposer`. Raises `DataError` if there is no answer; see also `LanguageModel`."""

        async def found_in(side: Side, phrase: str) -> list[BoxCandidate]:
            image = pair.source if side == "source" else pair.target
            boxes = await self._grounder.find(image, [phrase], record=record)
            return [BoxCandidate(on_source(one.box, side, pair), self._by, side) for one in boxes]

        each = await asyncio.gather(*(found_in(side, phrase) for side, phrase in searches(pair)))
        return [candidate for found in each for candidate in found]

    async def close(self) -> None:
        """Close the model's connections."""
        await self._grounder.close()
