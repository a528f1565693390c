"""Paint a plan: the first picture from words, each further one by an edit of the picture before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.core.fields import PLACEHOLDER
from datagen.imaging.image import Image
from datagen.models.diffusion.loading import shared_weights
from datagen.models.editors import EditorConfig
from datagen.models.generated import Declined, Generated
from datagen.models.generators import TextToImageConfig

Steps = Sequence[Mapping[str, Any]]


class PaintPlan(Map):
    """Paint one picture for each step of a plan: `turns` are the intermediate ones, `target` is the last.

    The generator makes the first picture of the first step's `description`, or of its `instruction` if it has none. The
    editor makes picture i of picture i - 1 by the `instruction` of step i, at the size of the first picture. If both
    name the same weights, these are loaded once. Rejects the whole plan as `unsafe` if a model's own safety checker
    refuses a picture, and as `not_understood` if the editor has no rule for an instruction. A plan without steps, with
    a step without words, or with `<imagehere>` fails before anything is painted.
    """

    reads = ("steps",)
    writes = ("turns", "target")
    rejects = ("unsafe", "not_understood")
    version = 1

    class Config(StageConfig):
        """Who paints."""

        generator: TextToImageConfig
        """The model that makes the first picture."""
        editor: EditorConfig
        """The model that makes the others."""

    config: Config

    def setup(self, device: str) -> None:
        """Load both models."""
        with shared_weights():
            self.generator = self.config.generator.load(device)
            self.editor = self.config.editor.load(device)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Paint all plans side by side: all first pictures, then all second ones, and so on."""
        answers: dict[str, Answer] = {
            record.id: Failed(fault) for record in batch if (fault := _fault(record["steps"]))
        }
        painted: dict[str, list[Image]] = {record.id: [] for record in batch if record.id not in answers}
        # a seed of each record and step: how records are batched changes no picture
        seeds = {r.id: self.rng(r).integers(2**63, size=len(r["steps"])).tolist() for r in batch if r.id in painted}
        for number in range(max(map(len, seeds.values()), default=0)):
            left = [r for r in batch if r.id not in answers and number < len(seeds[r.id])]
            made = self._paint(left, number, painted, [seeds[record.id][number] for record in left])
            for record, picture in zip(left, made, strict=True):
                if isinstance(picture, Declined):
                    answers[record.id] = Reject(picture.reason, f"step {number + 1}: {picture.detail}")
                else:
                    painted[record.id].append(Image.of(picture))
        finished = {id: {"turns": images[:-1], "target": images[-1]} for id, images in painted.items() if images}
        return [answers.get(record.id) or finished[record.id] for record in batch]

    def _paint(
        self, records: list[Record], number: int, painted: Mapping[str, list[Image]], seeds: list[int]
    ) -> list[Generated]:
        """The pictures of the steps with this number, from 0."""
        if not records:
            return []
        steps = [record["steps"][number] for record in records]
        if number == 0:
            return self.generator([_caption(step) for step in steps], seeds=seeds)
        before = [painted[record.id][-1].array for record in records]
        return self.editor(before, [step["instruction"] for step in steps], seeds=seeds)


def _caption(step: Mapping[str, Any]) -> str:
    return step.get("description") or step.get("instruction") or ""


def _fault(steps: Steps) -> str:
    """Why a plan cannot be painted; '' if it can."""
    if not steps:
        return "the plan has no steps"
    words = [_caption(steps[0]), *(step.get("instruction") or "" for step in steps[1:])]
    for number, text in enumerate(words, 1):
        if not text.strip():
            return f"step {number} of the plan says nothing; it needs an instruction"
        if PLACEHOLDER in text:
            return f"step {number} of the plan has {PLACEHOLDER}, which neither generator nor editor understands"
    return ""
