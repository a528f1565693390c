"""A subject whose mask is within the bounds counts as complete."""

from __future__ import annotations

from numpy import bool_
from numpy.typing import NDArray

from datagen.imaging.image import Image
from datagen.models.language.verdict import Verdict


class GeometryCompleteness:
    """Has nothing to add to what was measured."""

    async def judge(self, image: Image, mask_HW: NDArray[bool_], *, record: str) -> Verdict:  # noqa: ARG002
        """See `CompletenessJudge`."""
        return Verdict(answer=True)

    async def close(self) -> None:
        """It opened nothing."""
