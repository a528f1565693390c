"""Boxes by a vision-language model. That they are valid boxes is checked; that they fit the objects is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.grounders.base import GroundedBox, Grounder
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.boxes import BoxForm, boxes_in_pixels
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig


class BoxAskerConfig(LanguageRoleConfig):
    """Has a vision-language model tell boxes, and checks that they are boxes; that they fit is not checked."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"phrases": "text", "most": "number", "extent": "number"}
    """The phrases to find, the most boxes to return, and the coordinate of the right and lower edges."""

    prompt: str = "ask_boxes"
    most: int = Field(default=20, ge=1, le=200)
    """Most boxes of a picture."""
    extent: int = Field(default=1000, ge=1, le=100_000)
    """What the picture's right and lower edges count as in the model's boxes; Qwen-VL's were trained on 1000."""

    def load(self, device: str, *, runtime: Runtime) -> Grounder:
        """The grounder. Raises `SetupError` if its model cannot be used."""
        return LanguageGrounder(self, self.model.load(device, runtime=runtime))


_MOST = 200


class ThingForm(AnswerForm):
    """One thing, as the model gives it."""

    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    box: BoxForm


class BoxesForm(AnswerForm):
    """What the model has to give."""

    objects: Annotated[list[ThingForm], Field(max_length=_MOST)]


class LanguageGrounder:
    """Asks a model that gets the picture."""

    def __init__(self, config: BoxAskerConfig, model: LanguageModel) -> None:
        self._config = config
        self._model = model
        self._prompt = config.read_prompt()

    async def find(self, image: Image, phrases: Sequence[str], *, record: str) -> list[GroundedBox]:
        """See `Grounder`."""
        extent = self._config.extent
        values = {"phrases": "; ".join(phrases), "most": self._config.most, "extent": extent}
        question = self._prompt.render(values)._replace(images=(image,))
        reply = await self._model(question, shape=BoxesForm, draw=Draw(record))
        things = reply.value.objects[: self._config.most]
        found = [thing.box for thing in things]
        boxes = boxes_in_pixels(found, image.size, extent=extent, model=self._config.model)
        known = {phrase.casefold(): phrase for phrase in phrases}
        labels = [known.get(thing.label.casefold(), thing.label) for thing in things]
        return [GroundedBox(box, label) for box, label in zip(boxes, labels, strict=True)]

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()
