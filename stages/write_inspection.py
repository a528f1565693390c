"""Make the sample of a judged output: what was wanted, what came of it, verdict, critique and correction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.core.fields import VERDICT
from datagen.core.sample_rows import in_picture, source_row

JUDGEMENT = ("verdict", "critique", "correction")


class WriteInspection(Map):
    """Make the sample `inspect_text` of a description, or `inspect_image` of a picture.

    `inspect_text`: the instruction is the prompt; `steps` are all steps up to the one that is judged, the last one with
    description, verdict, critique and correction. `inspect_image`: the instruction is that of the step, the only one in
    `steps`; `source` is the picture before it, where there is one. In both, `target` is the picture after the step, and
    `label` is `positive` for what is consistent. Rejects consistent ones that are beyond `consistent_share` as
    `surplus`, by a draw of the record, so that both kinds can be balanced.
    """

    reads = ("critique_of", "caption", "step", "generation", "image", *JUDGEMENT)
    optional = ("source",)
    writes = ("target", "instruction", "text", "inputs", "edits", "steps", "label", "task")
    rejects = ("surplus",)
    fields = (VERDICT,)
    version = 1

    class Config(StageConfig):
        """How many."""

        consistent_share: float = Field(default=1, ge=0, le=1)
        """Share of the consistent ones that is taken."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Make the sample of each record."""
        return [self._sample(record) for record in batch]

    def _sample(self, record: Record) -> Answer:
        steps, number = record["generation"], record["step"]
        if not 1 <= number <= len(steps):
            return Failed(f"there is no step {number}; the generation has {len(steps)}")
        consistent = record["verdict"] == "consistent"
        if consistent and self.rng(record).random() >= self.config.consistent_share:
            return Reject("surplus", f"beyond {self.config.consistent_share:g} of the consistent ones")
        judged = {**_words(steps[number - 1]), **{name: record[name] for name in JUDGEMENT}, "image": "target"}
        is_text = record["critique_of"] == "description"
        text = record["caption"] if is_text else judged["instruction"]
        follows = "source" in record and not is_text
        return {
            "target": record["image"],
            "instruction": in_picture(text) if follows else text,
            "text": text,
            "inputs": [source_row()] if follows else [],
            "edits": [],
            "steps": [*(_words(step) for step in steps[: number - 1]), judged] if is_text else [judged],
            "label": "positive" if consistent else "negative",
            "task": "inspect_text" if is_text else "inspect_image",
        }


def _words(step: Mapping[str, Any]) -> dict[str, Any]:
    return {"instruction": step["instruction"], "description": step.get("description") or ""}
