"""What finds the things that a caption names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import pydantic

from datagen.core.fields import Box
from datagen.core.stage import Lent
from datagen.models.base import ModelConfig
from datagen.models.grammar.placeholders import Span
from datagen.models.language.asking import AskingConfig
from datagen.models.language.prompt import Kind


class Told(NamedTuple):
    """A caption, and what its source tells of the picture."""

    caption: str
    size: tuple[int, int]
    """The picture's width and height."""
    objects: Sequence[Mapping[str, Any]] = ()
    """Annotated objects, as a source gives them."""
    grounding: Sequence[Mapping[str, Any]] = ()
    """Boxes of single words, as `grounding` has them."""


class Entity(NamedTuple):
    """A thing that a caption names."""

    label: str
    """Its name, without an article."""
    span: Span
    """The characters that a picture of it can stand for."""
    box: Box | None = None
    """In pixels; None where it still has to be found."""
    polygons: Sequence[Any] = ()
    mask: Mapping[str, Any] = {}


class EntityFinder(Protocol):
    """Finds the things that a caption names, in its order; spans may meet."""

    async def find(self, told: Told, *, record: str) -> list[Entity]:
        """The things that the caption of a record, by its id, names; none is a sound answer.

        Raises `DataError` where it cannot be told; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...


class BoxesConfig(ModelConfig):
    """Takes what the source has boxes of: annotated objects that the caption names, or words with boxes of their own.

    An object counts if the caption says its label as it stands, and no other object has that label: which
    of several coins is "a coin" nobody can tell.
    """

    kind: Literal["boxes"] = "boxes"
    needs: ClassVar[tuple[str, ...]] = ("objects",)

    def load(self, device: str, *, lent: Lent) -> EntityFinder:  # noqa: ARG002
        """The finder; it needs no device, and nothing of the run."""
        from datagen.models.entity_finders.boxes import BoxEntityFinder

        return BoxEntityFinder()


class LanguageFinderConfig(AskingConfig):
    """Has a language model read the caption; what it names has to stand there word for word."""

    kind: Literal["language"] = "language"
    needs: ClassVar[tuple[str, ...]] = ("objects",)
    slots: ClassVar[Mapping[str, Kind]] = {"caption": "text"}
    prompt: str = "find_entities"

    def load(self, device: str, *, lent: Lent) -> EntityFinder:
        """The finder. Raises `SetupError` if its model cannot be used."""
        from datagen.models.entity_finders.language import LanguageEntityFinder

        return LanguageEntityFinder(self, self.model.load(device, lent=lent))


EntityFinderConfig = Annotated[BoxesConfig | LanguageFinderConfig, pydantic.Field(discriminator="kind")]
"""Every kind of finder, told apart by `kind`."""
