"""Join the things of one picture into one instruction with several references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from datagen import Combine, Joined, Lost, Merged, Record, Reject, StageConfig
from datagen.core.sample_rows import reference_row
from datagen.imaging.geometry import bounds
from datagen.models.grammar.placeholders import Span, apart, replaced


class CombineReferences(Combine):
    """Replace the names of things in the caption by their pictures, in the caption's order.

    Some things stay words: those that an earlier stage rejected, those whose words overlap a longer name, and those
    whose pixels are mostly the same as another's. The target is all new, as on a blank canvas, so that the record has
    no `source`. Its scores are those of its first reference; the ledger has those of the others. Rejects a picture with
    fewer than `min_references` as `too_few_references`.
    """

    reads = ("caption", "entity", "span", "mask", "cutouts")
    writes = (
        "instruction",
        "text",
        "subject",
        "refs",
        "masks",
        "inputs",
        "instances",
        "edits",
        "target_caption",
        "task",
    )
    rejects = ("too_few_references",)
    version = 1

    class Config(StageConfig):
        """How many, and which."""

        min_references: int = Field(default=1, ge=1, le=16)
        """Fewest references of a sample."""
        max_references: int = Field(default=4, ge=1, le=16)
        """Most references of a sample; the largest things are taken, the others stay words. MIGE's code has 4."""
        max_overlap: float = Field(default=0.9, ge=0, le=1)
        """Most pixels that two references may share, as intersection over union."""

    config: Config

    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        """Make one record of the things of one picture."""
        chosen = self._chosen(records)
        if len(chosen) < self.config.min_references:
            gone = f"; {len(lost)} were lost on the way" if lost else ""
            return Reject("too_few_references", f"{len(chosen)} < {self.config.min_references}{gone}")
        return [Merged(chosen[0], _fields(chosen))]

    def _chosen(self, records: Sequence[Record]) -> list[Record]:
        """The things that become pictures, in the order of the caption."""
        # ids break ties, so that the order in which records arrive decides nothing
        by_size = sorted(records, key=lambda record: (-int(record["mask"].sum()), record.id))
        distinct = [by_size[number] for number in apart([_span(record) for record in by_size])]
        different: list[Record] = []
        for record in distinct:
            if all(_overlap(record, other) <= self.config.max_overlap for other in different):
                different.append(record)
        largest = sorted(different, key=lambda record: -int(record["mask"].sum()))[: self.config.max_references]
        return sorted(largest, key=_span)


def _span(record: Record) -> Span:
    return Span(*record["span"])


def _overlap(record: Record, other: Record) -> float:
    """Intersection over union of two masks."""
    one, two = record["mask"], other["mask"]
    return float((one & two).sum() / max(1, (one | two).sum()))


def _fields(things: Sequence[Record]) -> dict[str, Any]:
    caption, masks = things[0]["caption"], [thing["mask"] for thing in things]
    return {
        "instruction": replaced(caption, map(_span, things)),
        "text": caption,
        "subject": ", ".join(thing["entity"] for thing in things),
        "refs": [thing["cutouts"][0] for thing in things],
        "masks": [np.ones_like(masks[0]), *masks],  # mask_0 is what may differ: on a blank canvas, all of it
        "inputs": [reference_row(thing["entity"], number=number) for number, thing in enumerate(things)],
        "instances": [_instance(number, thing) for number, thing in enumerate(things, 1)],
        "edits": [],
        "target_caption": caption,
        "task": "subject_generation",
    }


def _instance(number: int, thing: Record) -> dict[str, Any]:
    return {"label": thing["entity"], "box": list(bounds(thing["mask"])), "mask": f"mask_{number}", "attributes": []}
