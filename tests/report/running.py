"""Runs to be reported on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import drawn_sessions as drawn
import yaml
from building import PAINT, plain_rows, run_local, toy_graph
from selectolax.lexbor import LexborHTMLParser

from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.report.page import write_report

FAN = [{"use": "sift", "with": {"share": 0.4}}, {"use": "fan_out"}, {"use": "blow_up"}, PAINT]


def rows(number: int) -> list[dict[str, Any]]:
    """Some rows of which every ninth raises and every eleventh fails."""
    found = plain_rows(number)
    for place, row in enumerate(found):
        row["caption"] = "bomb" if place % 9 == 4 else "dud" if place % 11 == 5 else row["caption"]
    return found


def finished(folder: Path, stages: list[Any] = FAN, *, number: int = 40, **keys: Any) -> Path:
    """A dataset of toy stages with samples, rejected and failed records."""
    run_local(toy_graph(folder, stages, rows=rows(number), **keys), folder / "out")
    return folder / "out"


def finished_sessions(folder: Path) -> Path:
    """A dataset of two drawn sessions, with candidates of boxes; one of the two has a conflict."""
    config = drawn.config({"kind": "sessions", "path": str(drawn.write_sessions(folder))})
    at = [stage["use"] for stage in config["stages"]].index("box_change")
    after = {"map": {"target": "raw_target"}}
    config["stages"][at : at + 1] = [{"use": "propose_boxes", **after}, {"use": "select_box", **after}]
    (folder / "sessions.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run_local(build(load(folder / "sessions.yaml")), folder / "out")
    return folder / "out"


FORMS = (
    "plan_generation plain", "plan_generation extreme", "inspect_text", "inspect_text sound", "inspect_image",
    "inspect_image sound", "refine", "inspect_text extreme",
)  # fmt: skip


def finished_plans(folder: Path) -> Path:
    """A dataset of plans, what was judged of some, and corrections; a third of as many more records is rejected."""
    found = [{**row, "caption": FORMS[place % len(FORMS)]} for place, row in enumerate(plain_rows(3 * len(FORMS)))]
    stages = [
        {"use": "judge_plan", "durable": True},
        {"use": "show_before", "when": {"task": ["inspect_image", "refine"]}},
        {"use": "sift", "with": {"share": 0.35}},
    ]
    run_local(toy_graph(folder, stages, rows=found), folder / "out")
    return folder / "out"


def parsed(out: Path, **options: Any) -> LexborHTMLParser:
    """The report of a dataset, written anew, as a browser would read it."""
    write_report(str(out), **options)
    return LexborHTMLParser((out / "report" / "index.html").read_text(encoding="utf-8"))


def page_data(page: LexborHTMLParser) -> dict[str, Any]:
    """The data that a page carries."""
    [node] = page.css("script#data")
    found: dict[str, Any] = json.loads(node.text())
    return found
