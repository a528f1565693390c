from __future__ import annotations

from typing import Any

import numpy as np

from datagen import Answer, Image, Map, Record

WIDTH, HEIGHT = 96, 72
FAULT = [60.0, 40.0, 90.0, 66.0]
COLOURS = {
    "red": (217, 48, 37), "blue": (43, 111, 214), "green": (46, 158, 79), "yellow": (242, 195, 24),
    "purple": (129, 70, 181), "orange": (242, 140, 40), "brown": (138, 90, 53), "white": (255, 255, 255),
}  # fmt: skip
NAMES = tuple(COLOURS)
LONG = "Unterwasserlaboratoriumsbeleuchtungsanlage" * 3
ATOMS = [
    {"kind": "object", "expected": "a red circle", "found": "a red circle", "holds": True},
    {"kind": "count", "expected": "2 circles", "found": "3 circles", "holds": False},
]


class JudgePlan(Map):
    """A plan of discs, or a sample made of one, as the caption says: its task, and `sound`, `extreme` or a critique."""

    reads = ("caption",)
    writes = (
        *("task", "instruction", "text", "steps", "graph", "fault", "atoms", "step", "label", "turns", "target"),
    )  # fmt: skip

    def process(self, batch: list[Record]) -> list[Answer]:
        return [
            _sample(*record["caption"].split(" ", 1), grey=int(self.rng(record).integers(150, 250))) for record in batch
        ]


def _sample(task: str, kind: str = "plain", *, grey: int) -> Answer:
    number = 6 if kind == "extreme" else 4
    steps = [_step(place, number, kind) for place in range(number)]
    pictures = [picture(place + 1, grey=grey) for place in range(number)]
    wrong = task != "plan_generation" and kind != "sound"
    if task == "inspect_image":
        steps, pictures = [{**steps[-1], "image": "target.png"}], [pictures[-1]]
    elif task == "refine":
        steps, pictures = [{**steps[-1], "image": ""}], [pictures[-1]]
    correction = "Remove one of the three red circles, so that two are left." if wrong else ""
    if task != "plan_generation":
        steps[-1] |= {
            "verdict": "inconsistent" if wrong else "consistent",
            "critique": "There are three red circles, but the prompt asks for two." if wrong else "",
            "correction": correction,
        }
    graph = eight_nodes() if kind == "extreme" else small_graph()
    if kind not in ("plain", "extreme", "sound"):  # words to be shown as they are
        steps[-1]["critique"] = graph["objects"][1]["label"] = kind
    return {
        "task": task,
        "instruction": correction
        if task == "refine"
        else "Two red circles above a blue square, left of a small red circle.",
        "text": "",
        "steps": steps,
        "graph": graph,
        "fault": {"kind": "count_more", "atoms": [["count", "o1", "2", "", ""]], "box": FAULT} if wrong else {},
        "atoms": ATOMS if wrong else ATOMS[:1],
        "step": number if task in ("inspect_image", "refine") else 0,
        "label": "negative" if wrong and task != "refine" else "positive",
        "turns": pictures[:-1],
        "target": pictures[-1],
    }


def _step(place: int, number: int, kind: str) -> dict[str, Any]:
    words = f"Add one {NAMES[place]} disc"
    return {
        "instruction": f"{words} beside the {LONG}." if kind == "extreme" and place == 2 else f"{words}.",
        "description": "" if place == 1 else f"{place + 1} discs, the last of them {NAMES[place]}.",
        "image": "target.png" if place == number - 1 else f"turn_{place}.png",
    }


def picture(number: int, *, grey: int = 200) -> Image:
    """Some discs on grey."""
    pixels = np.full((HEIGHT, WIDTH, 3), grey, np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for place in range(number):
        x, y = 16 + 30 * (place % 3), 18 + 34 * (place // 3)
        pixels[(columns - x) ** 2 + (rows - y) ** 2 <= 144] = COLOURS[NAMES[place]]
    return Image.of(pixels)


def small_graph() -> dict[str, Any]:
    """Two nodes of one label, and a square."""
    red = [{"kind": "colour", "value": "red"}]
    return {
        "objects": [
            {"id": "o1", "label": "circle", "count": 2, "attributes": red},
            {"id": "o2", "label": "square", "attributes": [{"kind": "colour", "value": "blue"}]},
            {"id": "o3", "label": "circle", "attributes": [*red, {"kind": "size", "value": "small"}]},
        ],
        "relations": [
            {"subject": "o1", "predicate": "above", "object": "o2"},
            {"subject": "o1", "predicate": "left of", "object": "o3"},
        ],
    }


def eight_nodes() -> dict[str, Any]:
    """Eight nodes, many relations, long words, and relations that no line can stand for."""
    labels = ("circle", "circle", "silver spoon", "bear", LONG[:40], "cat", "muffin", "heart")
    nodes = [
        {"id": f"o{place + 1}", "label": label, "count": 1 + place % 3,
         "attributes": [{"kind": "colour", "value": colour}, {"kind": "material", "value": "weathered oak wood"}][: place % 3]}
        for place, (label, colour) in enumerate(zip(labels, NAMES, strict=True))
    ]  # fmt: skip
    relations = [
        ("o1", "left of", "o2"), ("o3", "below", "o1"), ("o4", "above", "o1"), ("o4", "holding", "o3"),
        ("o5", "right of", "o2"), ("o6", "below", "o5"), ("o7", "left of", "o3"), ("o6", "looking at", "o7"),
        ("o7", "in front of", "o6"), ("o1", "above", "o6"), ("o9", "on", "o1"), ("o2", "inside", "o2"),
    ]  # fmt: skip
    return {
        "objects": nodes,
        "relations": [{"subject": one, "predicate": predicate, "object": other} for one, predicate, other in relations],
        "background": "in a kitchen",
        "style": "an oil painting",
    }
