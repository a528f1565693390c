"""Who says whether a cut-out subject is a whole thing: a picture and a mask in, a verdict out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from numpy import bool_
from numpy.typing import NDArray

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
