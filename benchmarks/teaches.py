"""Does a dataset teach? Small editors trained on drawn worlds, judged on photographs and combinations never seen.

    python benchmarks/teaches.py OUT [--seeds 0 1 2] [--steps 1500] [--samples 3000] [--judged 300] [--arms boxes ...]

Makes datasets by `datagen run`, trains by `datagen train`, judges by `datagen evaluate`, and prints a table. Whatever
is in OUT already is not done again, so that the same command goes on after an interruption, and another seed is added
by naming it.

Fixed beforehand: shapes on photographs at 32 px, one to three sub-edits (add, remove, recolour), the same number of
samples and steps for every arm. The judged photographs are held out, and so is each combination of colour and shape
that an edit brings about there. docs/evaluation.md says when an edit is right.

1. `boxes` against copying the source, and against itself with another sample's text.
2. The same model with true boxes, those of `select_box`, jittered ones, and none; `no_boxes` is trained without.
3. Sessions damaged as editing models do it, mild and strong. `*_with` went through conflict detection, boxes and
   filters (teaches_with.yaml), `*_filtered` too but is trained without boxes, `*_without` is what the model returned.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final, NamedTuple

import numpy as np
from measuring import ROOT
from numpy.random import Generator

SIDE: Final = 32
JITTER: Final = 0.2
"""How far each edge of a jittered box moves at most, as a share of the box's side."""
DAMAGES: Final = "[drift,shift,grain,halo,blur,elsewhere]"
SETS: Final = {
    "clean": ("with", {}),
    "mild": ("with", {"source.damages": DAMAGES, "source.strengths": "[1]"}),
    "strong": ("with", {"source.damages": DAMAGES, "source.strengths": "[2]"}),
    "mild_raw": ("without", {"source.damages": DAMAGES, "source.strengths": "[1]"}),
    "strong_raw": ("without", {"source.damages": DAMAGES, "source.strengths": "[2]"}),
}
"""Datasets to train on: the config, and what is set in it."""


class Arm(NamedTuple):
    """One way to train."""

    data: str
    boxes: str


ARMS: Final = {
    "boxes": Arm("clean", "required"),
    "no_boxes": Arm("clean", "unused"),
    "mild_with": Arm("mild", "required"),
    "mild_filtered": Arm("mild", "unused"),
    "mild_without": Arm("mild_raw", "unused"),
    "strong_with": Arm("strong", "required"),
    "strong_filtered": Arm("strong", "unused"),
    "strong_without": Arm("strong_raw", "unused"),
}


def main() -> None:
    """Do what is missing in OUT, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--sessions", type=int, default=1500, help="sessions that samples are made of")
    parser.add_argument("--judged", type=int, default=300)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    held = made(
        arguments.out / "data" / "held_out",
        "with",
        {"source.split": "held_out", "source.names": "held_out", "source.seed": "1", "source.count": "150"},
    )
    for name in arguments.arms:
        data, more = SETS[ARMS[name].data]
        dataset = made(
            arguments.out / "data" / ARMS[name].data, data, {**more, "source.count": str(arguments.sessions)}
        )
        for seed in arguments.seeds:
            model = trained(arguments.out / "models" / f"{name}-{seed}", dataset, ARMS[name], seed, arguments)
            judged(arguments.out / "judged" / f"{name}-{seed}", model, held, arguments, variants=name == "boxes")
    print(table(arguments.out / "judged", arguments.arms, arguments.seeds))


def made(out: Path, chain: str, sets: dict[str, str]) -> Path:
    """A dataset, made by `datagen run`; it goes on with one that was begun."""
    if not (out / "dataset.json").exists():
        options = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
        config = ROOT / "benchmarks" / f"teaches_{chain}.yaml"
        datagen("run", str(config), "--engine", "local", "--no-report", "--out", str(out), *options)
    return out


def trained(out: Path, dataset: Path, arm: Arm, seed: int, arguments: argparse.Namespace) -> Path:
    """A model, trained by `datagen train`; it goes on with one that was begun."""
    if not (out / "model" / "README.md").exists():
        sets = {
            "seed": seed,
            "steps": arguments.steps,
            "data.datasets": f"[{{path: {dataset}, most: {arguments.samples}}}]",
            "data.sizes": f"[[{SIDE}, {SIDE}]]",
            "model.boxes": arm.boxes,
            "model.most_edits": 3,
            "threads": arguments.threads,
            "evaluation.split": "train",
            "evaluation.every": arguments.steps,
        }
        options = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
        datagen("train", str(ROOT / "configs" / "train" / "small.yaml"), "--out", str(out), *options)
    return out


def judged(out: Path, model: Path, held: Path, arguments: argparse.Namespace, *, variants: bool) -> None:
    """What `datagen evaluate` finds of a model and, with `variants`, of it with other boxes."""
    if (out / "evaluation.json").exists():
        return
    others = write_variants(out / "outputs", model, held, arguments.judged) if variants else []
    limit = ["--limit", str(arguments.judged), "--split", "train", "--to", str(out)]
    datagen("evaluate", str(model), *map(str, others), str(held), *limit)


def write_variants(out: Path, model: Path, held: Path, most: int) -> list[Path]:
    """Outputs of a model with true boxes, jittered ones, and none: a folder each, KEY.png."""
    import torch

    from datagen.evaluate.cases import Case, list_cases, read_cases
    from datagen.evaluate.compliance import checker_for
    from datagen.evaluate.truth import read_truth
    from datagen.imaging.image import Image
    from datagen.shards.reader import open_dataset
    from datagen.train.data.examples import WHOLE
    from datagen.train.data.selection import Needs
    from datagen.train.editing import load_model

    torch.set_num_threads(1)
    edits, truth, dataset = (
        load_model(str(model), device=torch.device("cpu")),
        read_truth(str(held)),
        open_dataset(str(held)),
    )
    if isinstance(truth, str):
        raise SystemExit(truth)
    folders = {name: out / name for name in ("true_boxes", "jittered_boxes", "without_boxes")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    listed = list_cases(dataset, Needs(), sizes=edits.sizes, limit=most)
    for case in read_cases(dataset, listed.cases, sizes=edits.sizes, by="picture"):
        checker = checker_for(case, truth) if isinstance(case, Case) else None
        if isinstance(case, str) or checker is None:
            continue
        places = {
            "true_boxes": [tuple(edge / SIDE for edge in box) for box in checker.boxes()],
            "jittered_boxes": [*jittered([part.box for part in case.example.parts], seed=case.key)],
            "without_boxes": [WHOLE] * len(case.example.parts),
        }
        for name, boxes in places.items():
            if len(boxes) != len(case.example.parts):
                continue  # two edits at one place have one true box: not judged
            parts = tuple(part._replace(box=box) for part, box in zip(case.example.parts, boxes, strict=True))
            edited = edits.edit(case.example._replace(parts=parts), seed=0)
            (folders[name] / f"{case.key}.png").write_bytes(Image.of(edited).encoded())
    return [*folders.values()]


def jittered(boxes: Sequence[Any], *, seed: str) -> Iterator[tuple[float, ...]]:
    """Boxes (0 to 1) whose edges are moved by chance, inside the picture and not empty."""
    draws = Generator(np.random.PCG64([*seed.encode()]))
    for box in boxes:
        x0, y0, x1, y1 = box
        moves = draws.uniform(-JITTER, JITTER, 4) * np.array([x1 - x0, y1 - y0] * 2)
        yield tuple(float(edge) for edge in np.clip(np.array(box) + moves, 0, 1))


def datagen(*words: str) -> None:
    """Run a command of datagen, whose lines go to the terminal."""
    subprocess.run([sys.executable, "-m", "datagen", *words], cwd=ROOT, check=True)


def table(judged: Path, arms: Sequence[str], seeds: Sequence[int]) -> str:
    """One row for each arm and subject: of several seeds the mean with the lowest and highest, of one its interval."""
    columns = ("edits right", "samples right", "change left", "L1 in boxes", "L1", "background error")
    lines = [f"| arm | judged | {' | '.join(columns)} |", f"| --- | --- |{' --- |' * len(columns)}"]
    for arm in arms:
        results = {
            seed: json.loads((judged / f"{arm}-{seed}" / "evaluation.json").read_text("utf-8")) for seed in seeds
        }
        subjects = [subject["name"].replace(f"{arm}-{seeds[0]}", "model") for subject in results[seeds[0]]["subjects"]]
        for subject in subjects:
            cells = []
            for column in columns:
                every = [
                    result["values"].get(column, {}).get(subject.replace("model", f"{arm}-{seed}"))
                    for seed, result in results.items()
                ]
                cells.append(_cell([value for value in every if value and value["value"] is not None]))
            lines.append(f"| {arm} | {subject} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return ""
    values = [each["value"] for each in found]
    low, high = (found[0]["low"], found[0]["high"]) if len(found) == 1 else (min(values), max(values))
    return f"{mean(values):.3f}" if low is None else f"{mean(values):.3f} [{low:.3f} {high:.3f}]"


if __name__ == "__main__":
    main()
