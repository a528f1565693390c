"""Writes manifests/generations.jsonl and manifests/generations/: what a model might make of prompts, step by step.

Pictures are drawn by datagen.worlds, the last one of most prompts with one fault, so that verdict, critique and
correction are known. Descriptions say what their pictures show, faults too, but for one that says what was wanted.

python manifests/generations.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2

from datagen.core.draws import Draws
from datagen.scene_graphs.faults import FaultKind, GraphFault, draw_fault
from datagen.scene_graphs.plans import PlanOptions, PlanStep, make_plan
from datagen.scene_graphs.reading import read_caption
from datagen.scene_graphs.wording import describe
from datagen.worlds.colours import QUIET_TONES
from datagen.worlds.graph_scene import scene_of, spoilt_scene
from datagen.worlds.inspected_scenes import vocabulary_of
from datagen.worlds.scene import Scene
from datagen.worlds.specification import SceneSpecification

FOLDER = Path(__file__).resolve().parent
SIDE = 128
"""Width and height of the pictures, in pixels."""


class Made(NamedTuple):
    """A prompt, and how well the model does."""

    id: str
    prompt: str
    fault: FaultKind | None = None
    """What is wrong with the last picture; None if nothing is."""
    boasts: bool = False
    """Whether the last description says what was wanted, and not what the picture shows."""


MADE: Final = (
    Made("star", "A red circle is to the left of a blue square. A green star is below the circle."),
    Made("heart", "A purple diamond is above a cyan square. A red heart is to the left of the square.", "extra"),
    Made(
        "cross",
        "A purple ring is below a pink triangle. A white cross is to the right of the triangle.",
        "relation",
        boasts=True,
    ),
    Made("stars", "Three yellow stars are above a green heart.", "count_less"),
    Made("diamond", "Two red diamonds are below a blue ring. A black cross is to the left of the ring.", "missing"),
    Made(
        "circle",
        "A green triangle is to the right of a yellow circle. A pink heart is below the circle. A white square is "
        "above the triangle.",
        "attribute",
    ),
)


def row_of(made: Made, number: int) -> dict[str, Any]:
    """The row of a prompt; its pictures are written."""
    draws, graph = Draws("generations", made.id), read_caption(made.prompt)
    between = len(graph.objects) - 1
    options = PlanOptions(intermediates=(between, between), detours=0, late_attributes=0, late_counts=0)
    spec = SceneSpecification(number=number, width=SIDE, height=SIDE, background=QUIET_TONES[number % len(QUIET_TONES)])
    plan = make_plan(graph, draws, options=options, vocabulary=vocabulary_of(spec))
    scenes = [scene_of(step.graph, spec, final=graph) for step in plan]
    judged: list[dict[str, Any]] = [{"verdict": "consistent"} for _ in plan]
    descriptions = [step.description for step in plan]
    if made.fault:
        fault = fault_of(made.fault, plan, draws, spec=spec)
        mended = write(scenes[-1], f"{made.id}-mended")
        judged[-1] = {
            "mended": mended,
            "verdict": "inconsistent",
            "critique": fault.critique,
            "correction": fault.correction,
        }
        moved = [fault.node] if fault.kind == "relation" else []
        scenes[-1] = spoilt_scene(fault.spoilt, plan[-1].graph, spec, final=graph, moved=moved)
        if made.boasts:
            judged[-1]["description_verdict"] = "consistent"
        else:
            descriptions[-1] = describe(fault.spoilt)
    steps = [
        {
            "instruction": step.instruction,
            "description": description,
            "picture": write(scene, f"{made.id}-{place}"),
            **verdict,
        }
        for place, (step, description, scene, verdict) in enumerate(
            zip(plan, descriptions, scenes, judged, strict=True), 1
        )
    ]
    return {"id": made.id, "prompt": made.prompt, "license": "CC0-1.0", "steps": steps}


def fault_of(kind: FaultKind, plan: Sequence[PlanStep], draws: Draws, *, spec: SceneSpecification) -> GraphFault:
    """A fault of what the last step adds, by the prompt and by the step's instruction."""
    before, last = (step.graph for step in plan[-2:])
    new = {node.id for node in last.objects} - {node.id for node in before.objects}
    faults = draw_fault(last, draws, whole=last, vocabulary=vocabulary_of(spec), kinds=(kind,), nodes=new)
    return next(faults)


def write(scene: Scene, name: str) -> str:
    """Write a picture; returns its address."""
    uri = f"generations/{name}.png"
    pixels = cv2.cvtColor(scene.render(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(FOLDER / uri), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return uri


def main() -> None:
    """Write all."""
    (FOLDER / "generations").mkdir(exist_ok=True)
    rows = [row_of(made, number) for number, made in enumerate(MADE)]
    (FOLDER / "generations.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
