"""Completeness by a vision-language model."""

from __future__ import annotations

from numpy import bool_
from numpy.typing import NDArray

from datagen.imaging.image import Image
from datagen.models.completeness_judges.base import LanguageCompletenessConfig
from datagen.models.language.base import Draw, LanguageModel
from datagen.models.language.crops import crop, cut_out
from datagen.models.language.verdict import Verdict


class LanguageCompleteness:
    """Shows the subject and asks; "True." is true."""

    def __init__(self, config: LanguageCompletenessConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()
        self._view = {"cut_out": cut_out, "crop": crop}[config.shows]

    async def judge(self, image: Image, mask_HW: NDArray[bool_], *, record: str) -> Verdict:
        """See `CompletenessJudge`."""
        question = self._prompt.render({})._replace(images=(self._view(image, mask_HW),))
        reply = await self._model(question, shape=Verdict, draw=Draw(record))
        return reply.value

    async def close(self) -> None:
        """Let go of the model's connections."""
        await self._model.close()
