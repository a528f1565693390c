"""Make samples in which one step of a plan is judged, and exactly one fault is made or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, ValidationError

from datagen import Children, DataError, DatagenError, Expand, Failed, Record, Reject, StageConfig
from datagen.core.draws import Draws
from datagen.core.fields import VERDICT
from datagen.scene_graphs.faults import FAULT_KINDS, FaultKind
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.inspections import FORMS, InspectionForm, JudgedStep, judged_steps
from datagen.scene_graphs.plans import PlanOptions, PlanStep, make_plan
from datagen.worlds.graph_scene import scene_of, unrendered
from datagen.worlds.inspected_scenes import (
    InspectedScenes,
    SpoiltSceneError,
    inspected_scenes,
    sample_fields,
    vocabulary_of,
)
from datagen.worlds.scene_grid import NoRoomError
from datagen.worlds.specification import SceneSpecification


class SpoilStep(Expand):
    """Plan a graph, and make samples that judge one step of the plan, with critique and correction that are known.

    - `inspect_text`: the instruction is the caption; `steps` are those up to the judged one, whose description is
      consistent with the caption or not. The text is spoilt, and the picture shows it as it says.
    - `inspect_image`: the instruction is the step's, `source` the picture before, `target` the one to be judged.
    - `refine`: `source` has a fault, the instruction is its correction, `target` is mended.

    Of each inspecting form, half of the samples are inconsistent (label `negative`), with exactly one fault; half judge
    the last step of the plan, also of the consistent ones. Before the first step there is the empty background. The
    plan is made here, as `sample_plan` makes it, and only the judged step and those before are in the sample. Rejects
    `no_plan`, `no_room`, `not_drawable`, and `no_fault` if no form has a fault that can be worded and shown.
    """

    reads = ("graph", "caption", "scene")
    writes = (
        "source", "turns", "target", "masks", "steps", "step_graphs", "step", "instruction", "text", "inputs", "edits",
        "description", "verdict", "critique", "correction", "fault", "label", "task",
    )  # fmt: skip
    rejects = ("no_plan", "no_fault", "no_room", "not_drawable")
    fields = (VERDICT,)
    # No hash of code covers photographs.toml of datagen/worlds: raise it when its content changes.
    version = 1

    class Config(StageConfig):
        """Which samples."""

        forms: tuple[InspectionForm, ...] = Field(default=FORMS, min_length=1)
        """Forms of samples; one sample of each form is made of a record, where one can be made."""
        kinds: tuple[FaultKind, ...] = Field(default=FAULT_KINDS, min_length=1)
        """Kinds of faults: one thing more or less of its kind (`count_more`, `count_less`), another value of an
        `attribute`, a mirrored `relation`, an object `missing`, an `extra` object."""
        plan: PlanOptions = PlanOptions()
        """How plans are made."""

    config: Config

    def process(self, batch: list[Record]) -> list[Children]:
        """The samples of each graph."""
        return [self._samples(record) for record in batch]

    def _samples(self, record: Record) -> Children:
        try:
            graph, spec = SceneGraph.model_validate(record["graph"]), SceneSpecification.model_validate(record["scene"])
            words, draws = vocabulary_of(spec), Draws(self.seed, self.id, record.id)
        except (DatagenError, ValidationError) as error:
            return Failed(f"graph or scene cannot be used: {error}")
        try:
            plan = make_plan(graph, draws, options=self.config.plan, vocabulary=words)
        except DataError as error:
            return Reject("no_plan", str(error))
        samples: list[dict[str, Any]] = []
        try:
            for form in self.config.forms:
                found = self._judged(form, plan, spec, Draws(self.seed, self.id, record.id, form))
                samples += [sample_fields(form, *found, plan=plan, caption=record["caption"])] if found else []
        except DatagenError as error:
            return unrendered(error, what="plan")
        return samples or self._reject(graph, spec)

    def _judged(
        self, form: InspectionForm, plan: Sequence[PlanStep], spec: SceneSpecification, draws: Draws
    ) -> tuple[JudgedStep, InspectedScenes] | None:
        for judged in judged_steps(form, plan, draws, vocabulary=vocabulary_of(spec), kinds=self.config.kinds):
            try:
                return judged, inspected_scenes(form, judged, plan, spec)
            except (SpoiltSceneError, NoRoomError):
                continue
        return None

    def _reject(self, graph: SceneGraph, spec: SceneSpecification) -> Reject:
        try:
            scene_of(graph, spec)
        except NoRoomError as error:
            return Reject("no_room", str(error))
        return Reject(
            "no_fault", f"{', '.join(self.config.forms)}: no {', '.join(self.config.kinds)} that can be shown"
        )
