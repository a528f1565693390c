"""The types of a call to a language model: question, answer, and the protocol of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from datagen.imaging.image import Image

Shape = TypeVar("Shape", bound=BaseModel)


class Question(NamedTuple):
    """The content of one call; `prompt.Prompt.render` makes its texts."""

    system: str
    """The system text: the model's role and task."""
    text: str
    """The user text; text from data is between delimiters."""
    images: tuple[Image, ...] = ()
    """Pictures, sent in this order before the text."""


class AnswerForm(BaseModel):
    """Base of the JSON objects that a model must give; additional fields are an error.

    The name and docstring of a subclass are part of the schema that is sent to the model.
    """

    model_config = ConfigDict(extra="forbid")


class TextAnswer(BaseModel):
    """An answer shape that can also be parsed from plain text, for models that do not answer in JSON."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse an answer in plain text. Raises `ValueError` unless it has exactly one meaning."""
        raise NotImplementedError


class Draw(NamedTuple):
    """Which random sample of an answer is wanted. A new draw is a new call; the reply of an earlier draw is reused."""

    record: str
    """Id of the record."""
    call: int = 0
    """Index of the call within the record."""


class Reply(NamedTuple, Generic[Shape]):
    """A validated answer, and its tokens and US dollars; both are 0 for a stored reply."""

    value: Shape
    tokens: int
    usd: float


class LanguageModel(Protocol):
    """Answers questions about texts and pictures."""

    async def __call__(self, question: Question, *, shape: type[Shape], draw: Draw) -> Reply[Shape]:
        """The answer, parsed as `shape`. Each call is charged to the record when it returns.

        Raises `DataError` if this question gets no answer: a refusal, an empty answer, or one of another form.
        Raises `AllowanceError` if no more calls may be made, `SetupError` if the service cannot be used at all.
        """
        ...

    async def close(self) -> None:
        """Close connections, on the event loop of the calls."""
        ...
