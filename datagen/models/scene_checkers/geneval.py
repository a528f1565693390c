"""GenEval's tests of counting, colour and position, as its `evaluation/evaluate_images.py` has them.

Written anew from what the published evaluation does (arXiv:2310.11513, commit 16f1681), to compare with its figures. A
node of a graph is an entry of its `include`, in the order of the graph: a class, a number, a colour, a position to
another entry. The position of two boxes is `positions.stands`, which is the published rule.

`judge_things` departs from it where it is wrong of pictures that show more than one thing of a class:

- Which things are meant: GenEval takes the n of the class with the best scores, whatever their colour and place; here
  things are matched one to one with nodes, so that as much as can be is right.
- Two entries of one class mean the same things to GenEval, so that "a red and a blue cup" is never right; here each
  thing is of one node.
- Of fewer than n things GenEval says that the entry is not there; here it is there, and their number is wrong.
- More than n things are wrong to GenEval only where a prompt counts (by `exclude` of n + 1); here they always are.
- A wrong colour makes an entry's positions wrong too, as its group is then None; here positions are judged alone.
- A class that nobody asked for is not looked at; here it is wrong, where the checker sees it.
"""

from __future__ import annotations

from collections.abc import Sequence

from datagen.scene_graphs.graph import POSITIONS, GraphObject, SceneGraph
from datagen.scene_graphs.matching import AtomVerdict, SceneThing, same_label, verdicts_of
from datagen.scene_graphs.positions import stands


def geneval_verdicts(graph: SceneGraph, things: Sequence[SceneThing]) -> list[AtomVerdict]:
    """The verdict on each atom by GenEval's rules; of things with one score those on the left come first."""
    ranked = sorted(things, key=lambda thing: (-thing.score, thing.box))
    best = {
        node.id: [each for each in ranked if same_label(each.label, node.label)][: node.count] for node in graph.objects
    }
    groups = {node.id: best[node.id] if _is_matched(node, best[node.id]) else [] for node in graph.objects}
    return [_by_its_rules(one, graph, best, groups) for one in verdicts_of(graph, best, things)]


def _is_matched(node: GraphObject, best: Sequence[SceneThing]) -> bool:
    """Whether an entry has its number of things, all of its colour."""
    return len(best) == node.count and all(_has(each.kind, each.value, best) == node.count for each in node.attributes)


def _has(kind: str, value: str, things: Sequence[SceneThing]) -> int:
    return sum(same_label(thing.attributes.get(kind, ""), value) for thing in things)


def _by_its_rules(
    one: AtomVerdict,
    graph: SceneGraph,
    best: dict[str, list[SceneThing]],
    groups: dict[str, list[SceneThing]],
) -> AtomVerdict:
    atom = one.atom
    node = graph.get(atom.subject)
    if one.holds is None or node is None:
        return one
    if atom.kind == "object":
        return one._replace(holds=len(best[node.id]) == node.count)
    if atom.kind == "count":
        alike = [other for other in graph.objects if same_label(other.label, node.label)]
        counts = any(other.count > 1 for other in alike)
        return one if counts else one._replace(holds=int(one.found) >= max(other.count for other in alike))
    if atom.kind == "attribute":
        return one._replace(holds=_has(atom.attribute, atom.value, best[node.id]) == node.count)
    if atom.value not in POSITIONS:
        return one
    pairs = [(a.box, b.box) for a in groups[atom.subject] for b in groups.get(atom.object, ())]
    return one._replace(holds=bool(pairs) and all(stands(atom.value, *pair) for pair in pairs))
