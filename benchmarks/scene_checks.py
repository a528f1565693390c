"""Measure how well scene checkers find what is wrong: 1,000 scenes of shapes, each clean and with exactly one fault.

    python benchmarks/scene_checks.py [--split tuned|held_out] [--number 1000] [--first 0] [--processes 2]

Graphs, scenes and faults are drawn at random, and so is the background. A wrong atom is to be found: precision is
the share of the atoms called wrong that are, recall the share of the wrong atoms that are called so. The bounds of
`flat_colours` were set on the split `tuned`, of 128 and 256 pixels; `held_out` has other seeds and sizes.
GenEval's rules judge the same shapes, as found by the same code.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Literal, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from datagen.core.draws import Draws  # noqa: E402
from datagen.core.errors import DataError  # noqa: E402
from datagen.models.scene_checkers.base import RULES, JudgeRule  # noqa: E402
from datagen.models.scene_checkers.flat_colours import with_sizes  # noqa: E402
from datagen.models.scene_checkers.flat_shapes import find_shapes  # noqa: E402
from datagen.scene_graphs.drawing import draw_graph  # noqa: E402
from datagen.scene_graphs.faults import GraphFault, draw_fault  # noqa: E402
from datagen.scene_graphs.graph import Atom, SceneGraph  # noqa: E402
from datagen.worlds.colours import QUIET_TONES  # noqa: E402
from datagen.worlds.graph_appearance import labels_of  # noqa: E402
from datagen.worlds.graph_scene import scene_of, spoilt_scene  # noqa: E402
from datagen.worlds.inspected_scenes import vocabulary_of  # noqa: E402
from datagen.worlds.pool import COLOUR_NAMES  # noqa: E402
from datagen.worlds.scene import Scene  # noqa: E402
from datagen.worlds.specification import SceneSpecification  # noqa: E402

Split = Literal["tuned", "held_out"]
SIDES: Final = {"tuned": (128, 256), "held_out": (128, 192, 256, 384, 512)}
Key = tuple[str, str, str]
"""Rule, split of the outcomes such as `side 256` or `all`, and kind of atom."""


class Outcome(NamedTuple):
    """Atoms of one scene, clean and spoilt: how many are called wrong and are (`found`), or only one of both."""

    found: Counter[Key]
    alarms: Counter[Key]
    missed: Counter[Key]
    exact: Counter[Key]
    """Pictures of which exactly the wrong atoms are called wrong; by the kind of the fault, `none` for a clean one."""
    pictures: Counter[Key]
    seconds: float
    """To find the shapes of a picture and judge them by `matched`."""


def draw_case(
    split: Split, number: int
) -> tuple[SceneGraph, SceneSpecification, Scene, GraphFault | None, Scene | None] | None:
    """A graph and its scene, and a fault with the scene that has it; None if there is no room for the graph."""
    draws = Draws("checks of scenes", split, number)
    side = draws.choose(SIDES[split])
    spec = SceneSpecification(
        seed=draws.below(1 << 30), number=number, width=side, height=side, background=draws.choose(QUIET_TONES)
    )
    sizes = ("small", "large") if draws.happens(0.3) else ()
    graph = draw_graph(draws, labels=labels_of(spec), colours=COLOUR_NAMES, sizes=sizes)
    try:
        clean = scene_of(graph, spec)
    except DataError:
        return None
    for fault in draw_fault(graph, draws, vocabulary=vocabulary_of(spec)):
        try:
            moved = [fault.node] if fault.kind == "relation" else []
            return graph, spec, clean, fault, spoilt_scene(fault.spoilt, graph, spec, moved=moved)
        except DataError:
            continue
    return graph, spec, clean, None, None


def check_case(job: tuple[Split, int]) -> Outcome | None:
    """Check one graph's scenes."""
    case = draw_case(*job)
    if case is None:
        return None
    graph, spec, clean, fault, spoilt = case
    counters = [Counter[Key]() for _ in range(5)]
    found, alarms, missed, exact, pictures = counters
    seconds, number = 0.0, 0
    for scene, truth, kind in ((clean, (), "none"), (spoilt, fault.failing if fault else (), fault and fault.kind)):
        if scene is None or kind is None:
            continue
        pixels = scene.render()
        started = time.perf_counter()
        things = with_sizes(graph, find_shapes(pixels))
        RULES["matched"](graph, things)
        seconds, number = seconds + time.perf_counter() - started, number + 1
        for rule in RULES:
            wrong = {one.atom for one in RULES[rule](graph, things) if one.holds is False}
            for group in ("all", f"{spec.width} px"):
                found.update((rule, group, _name(atom)) for atom in wrong & {*truth})
                alarms.update((rule, group, _name(atom)) for atom in wrong - {*truth})
                missed.update((rule, group, _name(atom)) for atom in {*truth} - wrong)
                exact[rule, group, kind] += wrong == {*truth}
                pictures[rule, group, kind] += 1
    return Outcome(*counters, seconds=seconds / number)


def _name(atom: Atom) -> str:
    if atom.kind == "attribute":
        return atom.attribute
    return atom.kind if atom.subject else "other object"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--split", choices=SIDES, default="held_out")
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first scene; each number is another one")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    # Some graphs have no room, mostly on the smallest pictures; as many cases are drawn as are wanted.
    jobs = [(given.split, given.first + number) for number in range(given.number * 5 // 4)]
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        outcomes = [each for each in pool.map(check_case, jobs, chunksize=8) if each][: given.number]
    found, alarms, missed, exact, pictures = (
        sum((each[n] for each in outcomes), Counter[Key]())
        for n in range(5)  # type: ignore[misc]
    )
    milliseconds = 1e3 * sum(each.seconds for each in outcomes) / len(outcomes)
    print(f"{given.split}: {len(outcomes)} graphs, {milliseconds:.1f} ms a picture")
    for rule in RULES:
        for group in sorted({group for _, group, _ in pictures}, key=lambda group: (group != "all", len(group), group)):
            print_group(rule, group, found=found, alarms=alarms, missed=missed)
            kinds = sorted({kind for r, g, kind in pictures if (r, g) == (rule, group)})
            shares = (f"{kind} {exact[rule, group, kind]}/{pictures[rule, group, kind]}" for kind in kinds)
            print(f"  exactly the wrong atoms, by fault: {', '.join(shares)}")


def print_group(
    rule: JudgeRule, group: str, *, found: Counter[Key], alarms: Counter[Key], missed: Counter[Key]
) -> None:
    """Print precision and recall by kind of atom."""
    print(f"{rule}, {group}")
    kinds = sorted({kind for r, g, kind in (*found, *alarms, *missed) if (r, g) == (rule, group)})
    for kind in kinds:
        right, wrong, lost = (counts[rule, group, kind] for counts in (found, alarms, missed))
        precision, recall = (f"{right / (right + x):.4f}" if right + x else "-" for x in (wrong, lost))
        print(f"  {kind:14} precision {precision} recall {recall}  ({right} found, {wrong} alarms, {lost} missed)")


if __name__ == "__main__":
    main()
