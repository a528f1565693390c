"""Edit a picture as an instruction says."""

from __future__ import annotations

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.core.fields import PLACEHOLDER
from datagen.imaging.image import Image
from datagen.models.editors import EditorConfig
from datagen.models.generated import Declined


class EditImage(Map):
    """Edit the source as the instruction says, with an editing model; the target has the source's size.

    The model gets the instruction unchanged. An instruction with `<imagehere>` fails, because no editor understands it:
    use `map: {instruction: text}`. Rejects as `unsafe` what the model's own safety checker refuses, and as
    `not_understood`, where rules edit, what no rule covers.
    """

    reads = ("source", "instruction")
    writes = ("target",)
    rejects = ("unsafe", "not_understood")
    version = 1

    class Config(StageConfig):
        """Who edits."""

        editor: EditorConfig
        """The model that edits."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the editor."""
        self.editor = self.config.editor.load(device)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Edit each picture."""
        faults = {record.id: _fault(record["instruction"]) for record in batch}
        sound = [record for record in batch if not faults[record.id]]
        edited = dict(zip([record.id for record in sound], self._edited(sound), strict=True))
        return [edited[record.id] if record.id in edited else Failed(faults[record.id]) for record in batch]

    def _edited(self, records: list[Record]) -> list[Answer]:
        made = self.editor(
            [record["source"].array for record in records],
            [record["instruction"] for record in records],
            # a seed of each record's own: how records are batched changes no picture
            seeds=[int(self.rng(record).integers(2**63)) for record in records],
        )
        return [Reject(*one) if isinstance(one, Declined) else {"target": Image.of(one)} for one in made]


def _fault(instruction: str) -> str:
    if PLACEHOLDER in instruction:
        return (
            f"the instruction has {PLACEHOLDER}, which no editor understands; "
            "give it the text without: `map: {instruction: text}`"
        )
    return "" if instruction.strip() else "the instruction is empty"
