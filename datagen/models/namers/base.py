"""Who names a subject: what annotators call it, and its pixels in, a name out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Protocol

import pydantic
from numpy import bool_
from numpy.typing import NDArray

from datagen.core.stage import Lent
from datagen.models.base import ModelConfig
from datagen.models.language.asking import AskingConfig
from datagen.models.language.prompt import Kind

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class Look(NamedTuple):
    """A picture, and which of its pixels are the subject."""

    image: Image
    mask: NDArray[bool_]
    """HW, of the picture's size."""


class SubjectNamer(Protocol):
    """Names a subject with a short noun phrase, such as `red cup`."""

    async def name(self, annotated: str, *, look: Look | None, record: str) -> str:
        """The name of a record's subject, which annotators call `annotated`; `look` is there for those that need it.

        Raises `DataError` where there is none; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...


class LabelConfig(ModelConfig):
    """Calls the subject what its annotators called it."""

    kind: Literal["label"] = "label"

    def load(self, device: str, *, lent: Lent) -> SubjectNamer:  # noqa: ARG002
        """The namer; it needs no device, and nothing of the run."""
        from datagen.models.namers.label import LabelNamer

        return LabelNamer()


class LanguageNamerConfig(AskingConfig):
    """Asks a vision-language model, which is shown the subject; MIGE asks Qwen2-VL-7B (appendix B)."""

    kind: Literal["language"] = "language"
    needs: ClassVar[tuple[str, ...]] = ("image", "mask")
    slots: ClassVar[Mapping[str, Kind]] = {"label": "text"}

    prompt: str = "name_subject"
    shows: Literal["cut_out", "crop"] = "cut_out"
    """What it is shown: the subject alone on white, or its surroundings too, up to the mask's bounds."""

    def load(self, device: str, *, lent: Lent) -> SubjectNamer:
        """The namer. Raises `SetupError` if its model cannot be used."""
        from datagen.models.namers.language import LanguageNamer

        return LanguageNamer(self, self.model.load(device, lent=lent))


SubjectNamerConfig = Annotated[LabelConfig | LanguageNamerConfig, pydantic.Field(discriminator="kind")]
"""Every kind of namer, told apart by `kind`."""
