"""Plan how a picture is made in several steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from datagen import Answer, DataError, Map, Record, Reject, StageConfig
from datagen.core.draws import Draws
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.plans import PlanOptions, make_plan
from datagen.scene_graphs.vocabulary import PLAIN, Vocabulary
from datagen.worlds.graph_appearance import labels_of
from datagen.worlds.pool import COLOUR_NAMES
from datagen.worlds.specification import SceneSpecification


class SamplePlan(Map):
    """Write a random plan of a graph: what each step does, what its picture shows then, and its graph.

    The pictures are `turn_0`, `turn_1`, ... and `target`, which `render_plan` or `paint_plan` makes. The instruction is
    the caption. Rejects as `no_plan` a graph of which there is no plan with as many steps as wanted.
    """

    reads = ("graph", "caption")
    optional = ("scene",)
    writes = ("steps", "step_graphs", "instruction", "text", "inputs", "edits", "task")
    rejects = ("no_plan",)
    version = 1

    class Config(StageConfig):
        """Which plans."""

        plan: PlanOptions = PlanOptions()
        """How plans are made."""
        labels: tuple[str, ...] = ()
        """Objects that detours may bring, nouns in the singular; if empty, those that the record's `scene` can show, or
        none."""
        values: dict[str, tuple[str, ...]] = Field(default=dict(PLAIN.values))
        """Values that detours may bring, by kind of attribute. Where the record has a `scene`, its colours count."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """The plan of each graph."""
        return [self._plan(record) for record in batch]

    def _plan(self, record: Record) -> Answer:
        graph = SceneGraph.model_validate(record["graph"])
        draws = Draws(self.seed, self.id, record.id)
        try:
            plan = make_plan(graph, draws, options=self.config.plan, vocabulary=self._words(record.get("scene")))
        except DataError as error:
            return Reject("no_plan", str(error))
        members = [*(f"turn_{number}" for number in range(len(plan) - 1)), "target"]
        return {
            "steps": [
                {"instruction": step.instruction, "description": step.description, "image": member}
                for step, member in zip(plan, members, strict=True)
            ],
            "step_graphs": [step.graph.row() for step in plan],
            "instruction": record["caption"],
            "text": record["caption"],
            "inputs": [],
            "edits": [],
            "task": "plan_generation",
        }

    def _words(self, scene: Mapping[str, Any] | None) -> Vocabulary:
        labels, values = self.config.labels, self.config.values
        if scene is not None:
            spec = SceneSpecification.model_validate(scene)
            labels, values = labels or labels_of(spec), {**values, "colour": COLOUR_NAMES}
        return Vocabulary(labels, tuple(values.items()))
