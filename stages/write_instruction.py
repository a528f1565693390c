"""Write in words where an object is to be added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen import Answer, AsyncMap, Record, StageConfig
from datagen.core.sample_rows import edit_row, reference_row, source_row
from datagen.imaging.outlines import instance_outlines, run_lengths
from datagen.imaging.rle import RunLengthMask
from datagen.models.instructions import InstructionWriterConfig
from datagen.models.instructions.base import Instruction, PictureLayout, PictureObject
from datagen.models.instructions.rules import RulesConfig


class WriteInstruction(AsyncMap):
    """Write the instruction that adds the subject (MIGE, table 5), with placeholders and as plain text.

    The subject's position, size and neighbours are those of the target. They are those of the masks of the subject and
    of the annotated objects; an object without one has its box alone. So has `edits`. `relations` are the facts that
    the instruction states, with the places of both things in `instances`.
    """

    reads = ("target", "subject", "box", "attributes", "instances")
    optional = ("mask", "objects", "found_objects")
    writes = ("instruction", "text", "relations", "edits", "inputs", "task")
    version = 4
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
        layout, rng = _layout(record), self.rng(record)
        written = await self.writer.write(layout, target=record["target"], record=record.id, rng=rng)
        return _fields(layout.subject, written)

    async def close(self) -> None:
        """Let go of what the writer opened, if it was loaded."""
        if hasattr(self, "writer"):
            await self.writer.close()


def _layout(record: Record) -> PictureLayout:
    """The subject and the other things of its picture: `instances` without the subject itself."""
    subject = PictureObject(record["subject"], tuple(record["box"]), tuple(record["attributes"]))
    things = [_thing(instance, number) for number, instance in enumerate(record["instances"])]
    at_box = [i for i, thing in enumerate(things) if thing.box == subject.box]
    same = [i for i in at_box if things[i].label == subject.label] or at_box  # a stage may have renamed the subject
    masked = [_masked(*pair) for pair in zip(things, _outlines(record), strict=True)]
    others = tuple(thing for i, thing in enumerate(masked) if i not in same[:1])
    own = run_lengths(record["mask"]) if "mask" in record else None
    subject = _masked(subject._replace(number=next(iter(same), None)), own)
    return PictureLayout(record["target"].size, subject, others)


def _thing(instance: Mapping[str, Any], number: int) -> PictureObject:
    return PictureObject(instance["label"], tuple(instance["box"]), tuple(instance["attributes"]), number)


def _outlines(record: Record) -> list[RunLengthMask | None]:
    things = record.get("found_objects", record.get("objects", []))
    return instance_outlines(record["instances"], things, size=record["target"].size)


def _masked(thing: PictureObject, mask: RunLengthMask | None) -> PictureObject:
    """The thing with the mask and the box around it; as it was if the mask is empty."""
    return thing if mask is None or mask.box is None else thing._replace(box=mask.box, mask=mask)


def _fields(subject: PictureObject, written: Instruction) -> dict[str, Any]:
    label = subject.label
    return {
        "instruction": written.instruction,
        "text": written.text,
        "relations": [relation._asdict() for relation in written.relations],
        "edits": [edit_row(written.text, operation="add", subject=label, box=subject.box, mask="mask_0.png")],
        "inputs": [reference_row(label), source_row()],
        "task": "subject_add",
    }
