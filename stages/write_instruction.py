"""Write in words where an object is to be added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen import Answer, AsyncMap, Record, StageConfig
from datagen.core.sample_rows import edit_row, reference_row, source_row
from datagen.models.instructions import InstructionWriterConfig
from datagen.models.instructions.base import Instruction, PictureLayout, PictureObject
from datagen.models.instructions.rules import RulesConfig


class WriteInstruction(AsyncMap):
    """Write the instruction that adds the subject (MIGE, table 5), with placeholders and as plain text.

    The subject's position, size and neighbours are those of the target. `relations` are the facts that the instruction
    states, with the places of both things in `instances`.
    """

    reads = ("target", "subject", "box", "attributes", "instances")
    writes = ("instruction", "text", "relations", "edits", "inputs", "task")
    version = 3
    remote = False

    class Config(StageConfig):
        """Who writes."""

        writer: InstructionWriterConfig = RulesConfig()
        """The model that writes."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the writer."""
        self.writer = self.config.writer.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Write the record's instruction."""
        rng = self.rng(record)
        written = await self.writer.write(_layout(record), target=record["target"], record=record.id, rng=rng)
        return _fields(record, written)

    async def close(self) -> None:
        """Let go of what the writer opened, if it was loaded."""
        if hasattr(self, "writer"):
            await self.writer.close()


def _layout(record: Record) -> PictureLayout:
    """The subject and the other things of its picture: `instances` without the subject itself."""
    subject = PictureObject(record["subject"], tuple(record["box"]), tuple(record["attributes"]))
    things = [_thing(instance, number) for number, instance in enumerate(record["instances"])]
    lying = [i for i, thing in enumerate(things) if thing.box == subject.box]
    same = [i for i in lying if things[i].label == subject.label] or lying  # a stage may have renamed the subject
    others = (thing for i, thing in enumerate(things) if i not in same[:1])
    return PictureLayout(record["target"].size, subject._replace(number=next(iter(same), None)), tuple(others))


def _thing(instance: Mapping[str, Any], number: int) -> PictureObject:
    return PictureObject(instance["label"], tuple(instance["box"]), tuple(instance["attributes"]), number)


def _fields(record: Record, written: Instruction) -> dict[str, Any]:
    subject = record["subject"]
    return {
        "instruction": written.instruction,
        "text": written.text,
        "relations": [relation._asdict() for relation in written.relations],
        "edits": [edit_row(written.text, operation="add", subject=subject, box=record["box"], mask="mask_0.png")],
        "inputs": [reference_row(subject), source_row()],
        "task": "subject_add",
    }
