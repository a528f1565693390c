"""What says in a sentence what a picture shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol

import pydantic

from datagen.core.stage import Lent
from datagen.models.base import ModelConfig
from datagen.models.language.asking import AskingConfig
from datagen.models.language.prompt import Kind

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class Captioner(Protocol):
    """Writes captions."""

    async def caption(self, image: Image, *, given: str, record: str) -> str:
        """A caption of one picture, of a record by its id; '' if there is none. `given` is what its source says of it.

        Raises `DataError` where no answer could be had; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...


class GivenConfig(ModelConfig):
    """Takes what the source says."""

    kind: Literal["given"] = "given"
    needs: ClassVar[tuple[str, ...]] = ("given_caption",)

    def load(self, device: str, *, lent: Lent) -> Captioner:  # noqa: ARG002
        """The captioner; it needs no device, and nothing of the run."""
        from datagen.models.captioners.given import GivenCaptioner

        return GivenCaptioner()


class LanguageCaptionerConfig(AskingConfig):
    """Has a vision-language model describe the picture; MIGE asks Qwen2-VL-7B (appendix A)."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {}

    prompt: str = "caption_picture"

    def load(self, device: str, *, lent: Lent) -> Captioner:
        """The captioner. Raises `SetupError` if its model cannot be used."""
        from datagen.models.captioners.language import LanguageCaptioner

        return LanguageCaptioner(self, self.model.load(device, lent=lent))


CaptionerConfig = Annotated[GivenConfig | LanguageCaptionerConfig, pydantic.Field(discriminator="kind")]
"""Every kind of captioner, told apart by `kind`."""
