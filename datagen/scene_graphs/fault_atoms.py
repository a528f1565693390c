"""Which atoms of a graph fail in a picture of a spoilt one, without the picture."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import Final, NamedTuple

from datagen.scene_graphs.graph import OPPOSITES, Atom, GraphObject, SceneGraph

_MOST_MATCHINGS: Final = 3_000
"""Matchings that are compared; where there are more, what fails is taken to be in doubt."""

_MOST_ALIKE: Final = 20
"""Nodes of one label of which there are more are taken to be in doubt too; one matching of them takes long."""

Supports = Mapping[str, Collection[str]]
"""For each node of the clean graph, the nodes of the spoilt one that have the things that are matched with it."""


class _Judged(NamedTuple):
    """What becomes of the atoms under one matching."""

    failing: tuple[Atom, ...]
    """Those that fail for certain."""
    doubtful: int
    """Number of those that may hold or fail."""


def failing_atoms(clean: SceneGraph, spoilt: SceneGraph) -> tuple[Atom, ...]:
    """The atoms of `clean` that fail in every picture of `spoilt`, while all others hold; () if that is in doubt.

    Things are matched with nodes as `matching.match_things` does it: as many as can be, then with as many equal
    attributes as can be, then so that most atoms hold. It is in doubt what fails if it hangs on where things happen to
    stand, or if several matchings are equally good and find different faults. An object with a label that the clean
    graph has not is the atom `Atom("object", "", label)`.
    """
    fillings = [_fillings(label, clean, spoilt) for label in dict.fromkeys(node.label for node in clean.objects)]
    number = 1
    for some in fillings:
        number *= len(some)
    if not 0 < number <= _MOST_MATCHINGS:
        return ()
    judged = [
        _judged({id: some for part in parts for id, some in part.items()}, clean, spoilt)
        for parts in product(*fillings)
    ]
    least_failing = min(len(each.failing) + each.doubtful for each in judged)
    best = [each for each in judged if len(each.failing) <= least_failing]
    if any(each.doubtful or each.failing != best[0].failing for each in best):
        return ()
    return (*best[0].failing, *_strange(clean, spoilt))


def _strange(clean: SceneGraph, spoilt: SceneGraph) -> Iterator[Atom]:
    known = {node.label for node in clean.objects}
    labels = dict.fromkeys(node.label for node in spoilt.objects if node.label not in known)
    return (Atom("object", "", label) for label in labels)


def _fillings(label: str, clean: SceneGraph, spoilt: SceneGraph) -> list[dict[str, tuple[str, ...]]]:
    """The ways to match the things of one label in which the most attributes agree, as supports; [] if too many."""
    nodes = [node for node in clean.objects if node.label == label]
    sources = [node for node in spoilt.objects if node.label == label]
    if len(nodes) > _MOST_ALIKE:
        return []
    filled = min(sum(node.count for node in nodes), sum(node.count for node in sources))
    best, found = -1, dict[tuple[tuple[str, ...], ...], None]()
    for tried, filling in enumerate(_shares([node.count for node in nodes], [node.count for node in sources])):
        if tried > _MOST_MATCHINGS:
            return []
        if sum(map(sum, filling)) < filled:
            continue
        worth = sum(
            number * _agreement(node, source)
            for node, numbers in zip(nodes, filling, strict=True)
            for source, number in zip(sources, numbers, strict=True)
        )
        if worth >= best:
            found = found if worth == best else {}
            best = worth
            found[tuple(tuple(s.id for s, n in zip(sources, numbers, strict=True) if n) for numbers in filling)] = None
    return [dict(zip((node.id for node in nodes), supports, strict=True)) for supports in found]


def _shares(wanted: list[int], there: list[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All ways to give things of each source to nodes that want at most so many: a number a node and source."""
    if not wanted:
        yield ()
        return
    for numbers in _at_most(wanted[0], there):
        left = [count - number for count, number in zip(there, numbers, strict=True)]
        for others in _shares(wanted[1:], left):
            yield (numbers, *others)


def _at_most(total: int, there: list[int]) -> Iterator[tuple[int, ...]]:
    """All ways to take at most so many things of some sources, most of the first ones first."""
    if not there:
        yield ()
        return
    for number in range(min(total, there[0]), -1, -1):
        for others in _at_most(total - number, there[1:]):
            yield (number, *others)


def _agreement(node: GraphObject, source: GraphObject) -> int:
    return sum(source.get(each.kind) == each.value for each in node.attributes)


def _judged(supports: Supports, clean: SceneGraph, spoilt: SceneGraph) -> _Judged:
    failing, doubtful = [], 0
    for atom in clean.atoms():
        holds = _holds(atom, supports, clean, spoilt)
        failing += [atom] if holds is False else []
        doubtful += holds is None
    return _Judged(tuple(failing), doubtful)


def _holds(atom: Atom, supports: Supports, clean: SceneGraph, spoilt: SceneGraph) -> bool | None:
    """Whether an atom holds in each picture of the spoilt graph; None if that hangs on the picture."""
    there = supports[atom.subject]
    if atom.kind == "count":
        label = next(node.label for node in clean.objects if node.id == atom.subject)
        return sum(node.count for node in spoilt.objects if node.label == label) == int(atom.value)
    if atom.kind == "object":
        return bool(there)
    if atom.kind == "attribute":
        sources = [node for node in spoilt.objects if node.id in there]
        return bool(there) and all(source.get(atom.attribute) == atom.value for source in sources)
    pairs = [*product(there, supports[atom.object])]
    verdicts = [_stands(atom.value, one, other, spoilt) for one, other in pairs]
    if not pairs or False in verdicts:
        return False
    return None if None in verdicts else True


def _stands(predicate: str, one: str, other: str, graph: SceneGraph) -> bool | None:
    edges = {(edge.subject, edge.predicate, edge.object) for edge in graph.relations}
    opposite = OPPOSITES.get(predicate, "")
    if (one, predicate, other) in edges or (other, opposite, one) in edges:
        return True
    return False if (one, opposite, other) in edges or (other, predicate, one) in edges else None
