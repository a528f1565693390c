"""What a language model is asked, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, Self, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from datagen.imaging.image import Image

Shape = TypeVar("Shape", bound=BaseModel)


class Question(NamedTuple):
    """What one call asks; `prompt.Prompt.render` makes its words."""

    system: str
    """Who the model is to be, and what it is to do."""
    text: str
    """What it is about; text from data stands between delimiters."""
    images: tuple[Image, ...] = ()
    """Looked at in this order, before the text."""


class Spoken(BaseModel):
    """A shape that can be read from words too, where a model answers in no JSON."""

    @classmethod
    def from_words(cls, text: str) -> Self:
        """The answer that these words come to. Raises `ValueError` unless they allow one reading alone."""
        raise NotImplementedError


class Draw(NamedTuple):
    """Which of the answers that chance could give: another draw is asked anew, the same one never again."""

    record: str
    """Id of the record."""
    call: int = 0
    """Which of the record's calls it is."""


class Reply(NamedTuple, Generic[Shape]):
    """A checked answer and what it cost; nothing if it was known."""

    value: Shape
    tokens: int
    usd: float


class LanguageModel(Protocol):
    """Answers questions about text and pictures."""

    async def __call__(self, question: Question, *, shape: type[Shape], draw: Draw) -> Reply[Shape]:
        """The answer, in the form of `shape`; what the calls cost is charged as they are made.

        Raises `DataError` where there is none for this question: a refusal, an empty answer, or none of that form.
        Raises `AllowanceError` where no more calls may be made, `SetupError` where the service cannot be used at all.
        """
        ...

    async def close(self) -> None:
        """Let go of connections, on the event loop that the calls were made on."""
        ...
