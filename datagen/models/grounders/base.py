"""Who is asked where things are: a picture and phrases in, boxes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol

from pydantic import Field

from datagen.core.fields import Box
from datagen.core.stage import Lent
from datagen.models.language.asking import AskingConfig
from datagen.models.language.prompt import Kind

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class Told(NamedTuple):
    """A thing that a model says is there; it says not how sure it is."""

    box: Box
    """On the picture, and not empty."""
    label: str


class BoxAsker(Protocol):
    """Says what is where."""

    async def find(self, image: Image, phrases: Sequence[str], *, record: str) -> list[Told]:
        """The things that phrases name, the surest first, for the record with this id.

        Raises `DataError` where there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...


class BoxAskerConfig(AskingConfig):
    """Has a vision-language model tell boxes, and checks that they are boxes; that they fit is not checked."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"phrases": "text", "most": "number", "extent": "number"}
    """What is looked for, how many answers are taken, and what the far edges count as."""

    prompt: str = "ask_boxes"
    most: int = Field(default=20, ge=1, le=200)
    """Most boxes of a picture."""
    extent: int = Field(default=1000, ge=1, le=100_000)
    """What the picture's right and lower edges count as in the model's boxes; Qwen-VL's were trained on 1000."""

    def load(self, device: str, *, lent: Lent) -> BoxAsker:
        """Who is asked. Raises `SetupError` if its model cannot be used."""
        from datagen.models.grounders.language import LanguageBoxAsker

        return LanguageBoxAsker(self, self.model.load(device, lent=lent))
