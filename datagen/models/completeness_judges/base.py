"""Who says whether a cut-out subject is a whole thing: a picture and a mask in, a verdict out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol

import pydantic
from numpy import bool_
from numpy.typing import NDArray

from datagen.core.stage import Lent
from datagen.models.base import ModelConfig
from datagen.models.language.asking import AskingConfig
from datagen.models.language.prompt import Kind

if TYPE_CHECKING:
    from datagen.imaging.image import Image
    from datagen.models.language.verdict import Verdict


class CompletenessJudge(Protocol):
    """Says whether what a mask shows is complete, and a thing rather than background (MIGE, table 4)."""

    async def judge(self, image: Image, mask_HW: NDArray[bool_], *, record: str) -> Verdict:
        """The verdict on a record's subject; the mask has the picture's size and is not empty.

        Raises `DataError` where there is none; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...


class GeometryConfig(ModelConfig):
    """Leaves it to the bounds on the mask's geometry: what the stage did not reject by them is complete."""

    kind: Literal["geometry"] = "geometry"

    def load(self, device: str, *, lent: Lent) -> CompletenessJudge:  # noqa: ARG002
        """The judge; it needs no device, and nothing of the run."""
        from datagen.models.completeness_judges.geometry import GeometryCompleteness

        return GeometryCompleteness()


class LanguageCompletenessConfig(AskingConfig):
    """Asks a vision-language model, which is shown the subject; MIGE asks Qwen2-VL-7B (appendix B, table 4)."""

    kind: Literal["language"] = "language"
    needs: ClassVar[tuple[str, ...]] = ("image",)
    slots: ClassVar[Mapping[str, Kind]] = {}

    prompt: str = "check_completeness"
    shows: Literal["cut_out", "crop"] = "cut_out"
    """What it is shown: the subject alone on white, as in MIGE, or its surroundings too, up to the mask's bounds."""

    def load(self, device: str, *, lent: Lent) -> CompletenessJudge:
        """The judge. Raises `SetupError` if its model cannot be used."""
        from datagen.models.completeness_judges.language import LanguageCompleteness

        return LanguageCompleteness(self, self.model.load(device, lent=lent))


CompletenessJudgeConfig = Annotated[GeometryConfig | LanguageCompletenessConfig, pydantic.Field(discriminator="kind")]
"""Every kind of judge, told apart by `kind`."""
