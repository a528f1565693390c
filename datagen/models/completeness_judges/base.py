"""The protocol of completeness judges: they take a picture and a mask, and return a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from numpy import bool_
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datagen.imaging.image import Image
    from datagen.models.language.verdict import Verdict


class CompletenessJudge(Protocol):
    """Decides whether a mask shows a complete object, and not background (MIGE, table 4)."""

    async def judge(self, image: Image, mask_HW: NDArray[bool_], *, record: str) -> Verdict:
        """The verdict on the subject of the record with this id. The mask has the picture's size and is not empty.

        Raises `DataError` if there is no verdict; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
