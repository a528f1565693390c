"""Pictures of a plan of which one step is judged, and words for what a scene does not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from datagen.core.errors import DataError
from datagen.core.fields import Box
from datagen.core.sample_rows import edit_row, in_picture, source_row
from datagen.imaging.image import Image
from datagen.scene_graphs.faults import FaultKind, GraphFault
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.inspections import InspectionForm, JudgedStep
from datagen.scene_graphs.plans import PlanStep
from datagen.scene_graphs.vocabulary import PLAIN, Vocabulary
from datagen.scene_graphs.wording import describe
from datagen.worlds.graph_appearance import NotDrawableError, labels_of
from datagen.worlds.graph_scene import scene_of, spoilt_scene, things_of
from datagen.worlds.pool import COLOUR_NAMES
from datagen.worlds.scene import Scene, changed_pixels
from datagen.worlds.scene_grid import NoRoomError
from datagen.worlds.specification import SceneSpecification

MENDING: Final[Mapping[FaultKind, str]] = {
    "count_more": "remove",
    "count_less": "add",
    "attribute": "change",
    "relation": "move",
    "missing": "add",
    "extra": "remove",
}
"""The operation of the correction of each kind of fault."""


class SpoiltSceneError(DataError):
    """The spoilt graph cannot be shown, though the clean one can."""


class InspectedScenes(NamedTuple):
    """The scenes of one sample."""

    source: Scene
    """What there is before: the empty background for `inspect_text`, the picture before the step for `inspect_image`,
    the flawed picture for `refine`."""
    turns: tuple[Scene, ...]
    """The pictures of the steps before, for `inspect_text`."""
    target: Scene
    """The picture that is judged, or for `refine` the mended one."""
    box: Box | None
    """Where the fault is, xyxy in pixels: around the things of its node, as they are or as they should be."""


def inspected_scenes(
    form: InspectionForm, judged: JudgedStep, plan: Sequence[PlanStep], spec: SceneSpecification
) -> InspectedScenes:
    """The scenes of a sample, all in the layout of the judged step's graph.

    So the graph that the correction's words make, which has this graph's content, has the clean scene too, whatever
    ids they give. Raises `SpoiltSceneError` if only the fault cannot be shown, else `DataError` as `scene_of` does.
    """
    start = 0 if form == "inspect_text" else judged.number - 1
    graphs = [judged.graph.subgraph(()), *(step.graph for step in plan[: judged.number - 1])]
    before = [] if form == "refine" else [scene_of(graph, spec, final=judged.graph) for graph in graphs[start:]]
    clean = scene_of(judged.graph, spec)
    shown, box = _spoilt(judged.fault, judged.graph, clean, spec) if judged.fault else (clean, None)
    if form == "refine":
        return InspectedScenes(shown, (), clean, box)
    return InspectedScenes(before[0], tuple(before[1:]), shown, box)


def _spoilt(fault: GraphFault, graph: SceneGraph, clean: Scene, spec: SceneSpecification) -> tuple[Scene, Box]:
    moved = [fault.node] if fault.kind == "relation" else []
    try:
        shown = spoilt_scene(fault.spoilt, graph, spec, moved=moved)
    except (NoRoomError, NotDrawableError) as error:
        raise SpoiltSceneError(str(error)) from error
    scenes = (clean, shown) if fault.kind in ("missing", "count_less") else (shown,)
    boxes = [thing.box for scene in scenes for thing in things_of(scene, fault.node)]
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return shown, (min(x0), min(y0), max(x1), max(y1))


def vocabulary_of(spec: SceneSpecification) -> Vocabulary:
    """The labels and values that scenes of a specification may have."""
    return Vocabulary(labels_of(spec), tuple({**dict(PLAIN.values), "colour": COLOUR_NAMES}.items()))


def sample_fields(
    form: InspectionForm, judged: JudgedStep, scenes: InspectedScenes, *, plan: Sequence[PlanStep], caption: str
) -> dict[str, Any]:
    """The fields of the sample of a judged step, by name; see the stage `spoil_step`."""
    fault, correction = judged.fault, judged.fault.correction if judged.fault else ""
    verdict = {
        "verdict": "inconsistent" if fault else "consistent",
        "critique": fault.critique if fault else "",
        "correction": correction,
    }
    # A description is judged itself; a picture is judged against what it should show.
    description = describe(judged.shown if form == "inspect_text" else judged.graph)
    text = {"inspect_text": caption, "inspect_image": judged.instruction, "refine": correction}[form]
    # Before the first step there is no picture; its source, the empty background, is no input.
    follows = form == "refine" or (form == "inspect_image" and judged.number > 1)
    # What is judged of a refinement is its source, and its description is the caption of the target.
    last = _step_row(judged.instruction, description, "target")
    last = {"instruction": correction, "image": "source"} if form == "refine" else last
    before = plan[: judged.number - 1] if form == "inspect_text" else []
    source_HWC, target_HWC = scenes.source.render(), scenes.target.render()
    return {
        "source": Image.of(source_HWC),
        "turns": [Image.of(scene.render()) for scene in scenes.turns],
        "target": Image.of(target_HWC),
        "target_caption": description if form == "refine" else describe(judged.shown),
        "masks": [changed_pixels(source_HWC, target_HWC)],
        "steps": [
            *(_step_row(each.instruction, each.description, f"turn_{number}") for number, each in enumerate(before)),
            {**last, **verdict},
        ],
        "step_graphs": [*(each.graph.row() for each in before), judged.graph.row()],
        "step": judged.number,
        "instruction": in_picture(text) if follows else text,
        "text": text,
        "inputs": [source_row()] if follows else [],
        "edits": [_mending_row(fault)] if fault and form == "refine" else [],
        "description": description,
        **verdict,
        "fault": _fault_row(fault, scenes.box) if fault else {},
        "label": "negative" if fault and form != "refine" else "positive",
        "task": form,
    }


def _step_row(instruction: str, description: str, member: str) -> dict[str, Any]:
    return {"instruction": instruction, "description": description, "image": member}


def _mending_row(fault: GraphFault) -> dict[str, Any]:
    return edit_row(fault.correction, operation=MENDING[fault.kind], mask="mask_0.png")


def _fault_row(fault: GraphFault, box: Box | None) -> dict[str, Any]:
    return {"kind": fault.kind, "atoms": [atom._asdict() for atom in fault.failing], "box": list(box or ())}
