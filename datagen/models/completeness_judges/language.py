"""Completeness as a vision-language model judges it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from numpy import bool_
from numpy.typing import NDArray

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.completeness_judges.base import CompletenessJudge
from datagen.models.language.base import Draw, LanguageModel
from datagen.models.language.crops import crop, cut_out
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig
from datagen.models.language.verdict import Verdict


class LanguageCompletenessConfig(LanguageRoleConfig):
    """Asks a vision-language model, which is shown the subject; MIGE asks Qwen2-VL-7B (appendix B, table 4)."""

    kind: Literal["language"] = "language"
    needs: ClassVar[tuple[str, ...]] = ("image",)
    slots: ClassVar[Mapping[str, Kind]] = {}

    prompt: str = "check_completeness"
    shows: Literal["cut_out", "crop"] = "cut_out"
    """What it is shown: the subject alone on white, as in MIGE, or its surroundings too, up to the mask's bounds."""

    def load(self, device: str, *, runtime: Runtime) -> CompletenessJudge:
        """The judge. Raises `SetupError` if its model cannot be used."""
        return LanguageCompleteness(self, self.model.load(device, runtime=runtime))


class LanguageCompleteness:
    """Shows the subject to a model; an answer in words, such as "True.", counts too."""

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
        """Close the model's connections."""
        await self._model.close()
