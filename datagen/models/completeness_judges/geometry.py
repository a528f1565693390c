"""Completeness by the geometry of the mask, which the stage has checked already."""

from __future__ import annotations

from typing import Literal

from numpy import bool_
from numpy.typing import NDArray

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.base import ModelConfig
from datagen.models.completeness_judges.base import CompletenessJudge
from datagen.models.language.verdict import Verdict


class GeometryConfig(ModelConfig):
    """Leaves it to the bounds on the mask's geometry: what the stage did not reject by them is complete."""

    kind: Literal["geometry"] = "geometry"

    def load(self, device: str, *, runtime: Runtime) -> CompletenessJudge:  # noqa: ARG002
        """The judge; it needs no device and no runtime."""
        return GeometryCompleteness()


class GeometryCompleteness:
    """Always says yes: the stage has rejected masks beyond its bounds before."""

    async def judge(self, image: Image, mask_HW: NDArray[bool_], *, record: str) -> Verdict:  # noqa: ARG002
        """See `CompletenessJudge`."""
        return Verdict(answer=True)

    async def close(self) -> None:
        """Nothing to close."""
