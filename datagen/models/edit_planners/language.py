"""Plans by a vision-language model. That the boxes are valid is checked; that they fit the edits is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from datagen.core.errors import DataError
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.edit_planners.base import EditPlanner, PlannedEdit
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.boxes import BoxForm, boxes_in_pixels
from datagen.models.language.prompt import LONGEST, Kind
from datagen.models.language.role_config import LanguageRoleConfig


class LanguageEditPlannerConfig(LanguageRoleConfig):
    """Shows the picture and the instruction to a vision-language model, which gives the edits and their boxes."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"instruction": "text", "most": "number", "extent": "number"}
    """The instruction, the most edits that are wanted, and the coordinate of the right and lower edges."""

    prompt: str = "plan_edit"
    extent: int = Field(default=1000, ge=1, le=100_000)
    """What the picture's right and lower edges count as in the model's boxes; Qwen-VL's were trained on 1000."""

    def load(self, device: str, *, runtime: Runtime) -> EditPlanner:
        """The planner. Raises `SetupError` if its model cannot be used."""
        return LanguageEditPlanner(self, self.model.load(device, runtime=runtime))


_MOST = 24


class PlannedEditForm(AnswerForm):
    """One edit, as the model gives it."""

    instruction: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    box: BoxForm | None


class EditPlanForm(AnswerForm):
    """What the model has to give."""

    edits: Annotated[list[PlannedEditForm], Field(min_length=1, max_length=_MOST)]


class LanguageEditPlanner:
    """Asks a model that gets the picture."""

    def __init__(self, config: LanguageEditPlannerConfig, model: LanguageModel) -> None:
        self._config = config
        self._model = model
        self._prompt = config.read_prompt()

    async def plan(self, image: Image, instruction: str, *, most: int) -> list[PlannedEdit]:
        """See `EditPlanner`."""
        if len(instruction) > LONGEST:  # the prompt would cut it, and an edit would be lost
            raise DataError(f"the instruction has {len(instruction):,} characters, at most {LONGEST:,} are planned")
        extent = self._config.extent
        values = {"instruction": instruction, "most": most, "extent": extent}
        question = self._prompt.render(values)._replace(images=(image,))
        reply = await self._model(question, shape=EditPlanForm, draw=Draw(""))
        edits = reply.value.edits
        found = [edit.box for edit in edits if edit.box]
        boxes = iter(boxes_in_pixels(found, image.size, extent=extent, model=self._config.model))
        texts = [" ".join(edit.instruction.split()) for edit in edits]
        return [PlannedEdit(text, next(boxes) if edit.box else None) for text, edit in zip(texts, edits, strict=True)]

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()
