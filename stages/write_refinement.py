"""Make the sample of a mended picture: the flawed picture, its critique, the correction, the better picture."""

from __future__ import annotations

from typing import Any

from datagen import Children, Expand, Failed, Record, Reject
from datagen.core.fields import VERDICT
from datagen.core.sample_rows import in_picture, source_row


class WriteRefinement(Expand):
    """Make the sample `refine`: `source` is the flawed picture, `target` the mended one, the correction is the
    instruction, and the only row of `steps` has the judgement of the flawed picture.

    The sample is a new record, as its source is not that of the record it is made of. `target_caption` is what the
    picture was to show: the prompt after the last step, else the step's description. Rejects as `not_flawed` what was
    found consistent, and as `other_size` pictures of two sizes.
    """

    reads = ("image", "mended", "caption", "generation", "step", "verdict", "critique", "correction")
    writes = ("source", "target", "target_caption", "instruction", "text", "inputs", "edits", "steps", "label", "task")
    rejects = ("not_flawed", "other_size")
    fields = (VERDICT,)
    version = 3

    def process(self, batch: list[Record]) -> list[Children]:
        """The sample of each record."""
        return [self._sample(record) for record in batch]

    def _sample(self, record: Record) -> Children:
        steps, number = record["generation"], record["step"]
        if not 1 <= number <= len(steps):
            return Failed(f"there is no step {number}; the generation has {len(steps)}")
        if record["verdict"] == "consistent":
            return Reject("not_flawed", "the picture was found consistent: there is nothing to mend")
        if record["image"].size != record["mended"].size:
            sizes = ["{}x{}".format(*record[name].size) for name in ("image", "mended")]
            return Reject("other_size", f"the flawed picture is {sizes[0]}, the mended one {sizes[1]}")
        correction = record["correction"]
        judgement = {name: record[name] for name in ("verdict", "critique", "correction")}
        step: dict[str, Any] = {"instruction": correction, **judgement, "image": "source"}
        sample = {
            "source": record["image"],
            "target": record["mended"],
            "target_caption": record["caption"] if number == len(steps) else steps[number - 1].get("description") or "",
            "instruction": in_picture(correction),
            "text": correction,
            "inputs": [source_row()],
            "edits": [],
            "steps": [step],
            "label": "positive",
            "task": "refine",
        }
        return [sample]
