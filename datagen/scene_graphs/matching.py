"""Which thing of a picture is which node of a graph, and which atoms then hold.

A picture may show two circles where the graph has a red and a blue one. Things and nodes of one label are matched one
to one, so that no thing stands for two nodes, and as well as possible, so that a picture which shows all of the graph
is never found wrong. In this order, the best matching

1. leaves no node without a thing while one of its label is left;
2. has the most attributes of things that agree with those of their nodes;
3. makes the most atoms hold;
4. has the most pairs of things that stand as relations say.

The second rule comes before the third, because else a missing blue circle would be one of two red ones that are there,
and which atoms fail would hang on where they happen to stand. It is sound: where all atoms can hold, all attributes
agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from math import comb, prod
from typing import Final, NamedTuple

from datagen.core.fields import Box
from datagen.scene_graphs.graph import POSITIONS, Atom, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.noun_phrases import plural_label
from datagen.scene_graphs.positions import stands

MOST_MATCHINGS: Final = 20_000
"""Most matchings that are compared one by one; of more, a good one is improved by exchanges until none helps."""
_NOTHING: Final = "nothing"


class SceneThing(NamedTuple):
    """One thing that was found in a picture."""

    label: str
    """What it is."""
    box: Box
    """xyxy in pixels."""
    attributes: Mapping[str, str] = {}
    """What was found of it, by kind; a kind that is missing was not looked at."""
    score: float = 1.0
    """How sure its finder is; matchings do not depend on it."""


class AtomVerdict(NamedTuple):
    """Whether a picture shows one atom."""

    atom: Atom
    """The atom. An object whose subject is '' is one that the graph has not, and its value is the label."""
    expected: str
    """What the picture should show, in words."""
    found: str
    """What it shows, in words."""
    holds: bool | None
    """Whether it does; None if this cannot be judged."""


Matching = tuple[tuple[int, ...], ...]
"""For each node of a graph, the indices of its things."""


def match_things(graph: SceneGraph, things: Sequence[SceneThing]) -> Matching:
    """The best matching, see above, of nodes to indices of `things`; it does not depend on the order of `things`.

    A node has at most as many things as its count says. With more than `MOST_MATCHINGS` possible ones, the result
    may make fewer atoms hold than the best.
    """
    order = sorted(range(len(things)), key=lambda n: _sort_key(things[n]))
    problem = _Problem(graph, [things[n] for n in order])
    found = problem.best()
    return tuple(tuple(sorted(order[n] for n in some)) for some in found)


def judge_things(graph: SceneGraph, things: Sequence[SceneThing]) -> list[AtomVerdict]:
    """The verdict on each atom of a graph, in the order of `graph.atoms()`, then on things that it has not.

    An attribute of a kind that was not looked at, and a relation that boxes cannot show, have no verdict (None), unless
    there is nothing that could have it.
    """
    things = sorted(things, key=_sort_key)
    matching = dict(zip((node.id for node in graph.objects), match_things(graph, things), strict=True))
    groups = {id: [things[n] for n in some] for id, some in matching.items()}
    return [*verdicts_of(graph, groups, things), *_extras(graph, things)]


def verdicts_of(
    graph: SceneGraph, groups: Mapping[str, Sequence[SceneThing]], things: Sequence[SceneThing]
) -> Iterator[AtomVerdict]:
    """The verdict on each atom, where `groups` has the things of each node by its id, and `things` are all of them."""
    for atom in graph.atoms():
        node = graph.node(atom.subject)
        there = groups[node.id]
        if atom.kind == "object":
            yield AtomVerdict(atom, node.label, node.label if there else _NOTHING, bool(there))
        elif atom.kind == "count":
            number = sum(same_label(thing.label, node.label) for thing in things)
            yield AtomVerdict(atom, _number_of(node.label, int(atom.value)), str(number), str(number) == atom.value)
        elif atom.kind == "attribute":
            yield _attribute_verdict(atom, node, there)
        else:
            yield _relation_verdict(atom, graph, groups)


def same_label(one: str, other: str) -> bool:
    """Whether two labels are one, whatever their case and spaces."""
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def predicates_of(subject: Box, object: Box) -> list[str]:
    """The relations of position in which a box stands to another; [] where they are level or too close."""
    return [name for name in POSITIONS if stands(name, subject, object)]


def _attribute_verdict(atom: Atom, node: GraphObject, there: Sequence[SceneThing]) -> AtomVerdict:
    expected = f"{atom.value} {node.label}"
    if not there:
        return AtomVerdict(atom, expected, _NOTHING, False)
    values = Counter(thing.attributes[atom.attribute] for thing in there if atom.attribute in thing.attributes)
    if not values:
        return AtomVerdict(atom, expected, "not judged", None)
    found = next(iter(values)) if len(values) == 1 else ", ".join(f"{n} {value}" for value, n in sorted(values.items()))
    return AtomVerdict(atom, expected, found, all(same_label(value, atom.value) for value in values))


def _relation_verdict(atom: Atom, graph: SceneGraph, groups: Mapping[str, Sequence[SceneThing]]) -> AtomVerdict:
    subject, object = graph.node(atom.subject), graph.get(atom.object)
    expected = f"{subject.label} {atom.value} {object.label if object else atom.object}"
    pairs = [*product(groups[subject.id], groups.get(atom.object, ()))]
    if not pairs:
        return AtomVerdict(atom, expected, _NOTHING, False)
    if atom.value not in POSITIONS:
        return AtomVerdict(atom, expected, "not judged", None)
    wrong = [(one, other) for one, other in pairs if not stands(atom.value, one.box, other.box)]
    one, other = (wrong or pairs)[0]
    found = " and ".join(predicates_of(one.box, other.box)) or "neither above nor beside it"
    return AtomVerdict(atom, expected, found if wrong else atom.value, not wrong)


def _extras(graph: SceneGraph, things: Sequence[SceneThing]) -> Iterator[AtomVerdict]:
    extra = Counter(
        thing.label for thing in things if not any(same_label(thing.label, node.label) for node in graph.objects)
    )
    for label, number in sorted(extra.items()):
        yield AtomVerdict(Atom("object", "", label), f"no {label}", _number_of(label, number), False)


def _number_of(label: str, number: int) -> str:
    return f"{number} {label if number == 1 else plural_label(label)}"


def _sort_key(thing: SceneThing) -> tuple[str, Box, list[tuple[str, str]]]:
    return thing.label, thing.box, sorted(thing.attributes.items())


_Worth = tuple[int, int, int]
"""What a matching is worth: attributes that agree, atoms that hold, pairs that stand as a relation says."""


class _Problem:
    """All matchings of one graph with one list of things."""

    def __init__(self, graph: SceneGraph, things: Sequence[SceneThing]) -> None:
        self.nodes = graph.objects
        self.things = things
        places = {node.id: n for n, node in enumerate(self.nodes)}
        self.edges = [
            (places[edge.subject], edge, places[edge.object])
            for edge in graph.relations
            if edge.predicate in POSITIONS and edge.subject in places and edge.object in places
        ]
        self.agreement = [[self._agreement(node, thing) for thing in things] for node in self.nodes]
        self.groups = self._groups()
        self._stands: dict[tuple[GraphRelation, int, int], bool] = {}

    def best(self) -> Matching:
        """The best matching, or a good one where there are too many to compare."""
        numbers = [_number_of_fillings(len(some), [self.nodes[n].count for n in nodes]) for nodes, some in self.groups]
        if prod(numbers) > MOST_MATCHINGS:
            return self._improved()
        choices = [self._best_fillings(nodes, some) for nodes, some in self.groups]
        matchings = (self._joined(choice) for choice in product(*choices))
        return max(matchings, key=self.worth)

    def worth(self, matching: Matching) -> _Worth:
        """How good a matching is; more is better."""
        agreeing = sum(self.agreement[n][thing] for n, some in enumerate(matching) for thing in some)
        held = sum(bool(some) for some in matching)
        for node, some in zip(self.nodes, matching, strict=True):
            held += sum(
                bool(some) and all(_agrees(each.kind, each.value, self.things[n]) for n in some)
                for each in node.attributes
            )
        standing = 0
        for subject, edge, object in self.edges:
            pairs = [self._holds(edge, one, other) for one in matching[subject] for other in matching[object]]
            held += bool(pairs) and all(pairs)
            standing += sum(pairs)
        return agreeing, held, standing

    def _agreement(self, node: GraphObject, thing: SceneThing) -> int:
        return sum(_agrees(each.kind, each.value, thing) for each in node.attributes)

    def _groups(self) -> list[tuple[list[int], list[int]]]:
        """The nodes of each label, and the things of it."""
        groups: list[tuple[list[int], list[int]]] = []
        for n, node in enumerate(self.nodes):
            group = next((group for group in groups if same_label(self.nodes[group[0][0]].label, node.label)), None)
            if group:
                group[0].append(n)
            else:
                some = [i for i, thing in enumerate(self.things) if same_label(thing.label, node.label)]
                groups.append(([n], some))
        return groups

    def _best_fillings(self, nodes: Sequence[int], some: Sequence[int]) -> list[dict[int, tuple[int, ...]]]:
        """Those ways to fill the nodes of one label in which the most attributes agree."""
        counts = [self.nodes[n].count for n in nodes]
        found = [*_fillings(tuple(some), counts, min(len(some), sum(counts)))]
        agreeing = [
            sum(self.agreement[n][thing] for n, part in zip(nodes, filling, strict=True) for thing in part)
            for filling in found
        ]
        best = max(agreeing)
        return [
            dict(zip(nodes, filling, strict=True))
            for filling, worth in zip(found, agreeing, strict=True)
            if worth == best
        ]

    def _joined(self, choice: Sequence[Mapping[int, tuple[int, ...]]]) -> Matching:
        parts = {n: some for filling in choice for n, some in filling.items()}
        return tuple(parts[n] for n in range(len(self.nodes)))

    def _holds(self, edge: GraphRelation, one: int, other: int) -> bool:
        key = (edge, one, other)
        if key not in self._stands:
            self._stands[key] = stands(edge.predicate, self.things[one].box, self.things[other].box)
        return self._stands[key]

    def _improved(self) -> Matching:
        """A matching in which the most attributes agree, improved by exchanging two things while that helps."""
        # Who has a thing: the number of a node, or -1 for nobody.
        owners = [-1] * len(self.things)
        for nodes, some in self.groups:
            for n, thing in self._most_agreeing(nodes, some):
                owners[thing] = n
        best = self.worth(self._of_owners(owners))
        better = True
        while better:
            better = False
            for _, some in self.groups:
                for one, other in combinations(some, 2):
                    if owners[one] == owners[other]:
                        continue
                    owners[one], owners[other] = owners[other], owners[one]
                    worth = self.worth(self._of_owners(owners))
                    if worth > best:
                        best, better = worth, True
                    else:
                        owners[one], owners[other] = owners[other], owners[one]
        return self._of_owners(owners)

    def _most_agreeing(self, nodes: Sequence[int], some: Sequence[int]) -> list[tuple[int, int]]:
        """Pairs of node and thing in which the most attributes agree, of one label."""
        import numpy as np
        from scipy.optimize import linear_sum_assignment

        seats = [n for n in nodes for _ in range(min(self.nodes[n].count, len(some)))]
        rows, columns = linear_sum_assignment(
            np.array([[self.agreement[n][thing] for thing in some] for n in seats]), maximize=True
        )
        return [(seats[row], some[column]) for row, column in zip(rows, columns, strict=True)]

    def _of_owners(self, owners: Sequence[int]) -> Matching:
        found: list[list[int]] = [[] for _ in self.nodes]
        for thing, owner in enumerate(owners):
            if owner >= 0:
                found[owner].append(thing)
        return tuple(map(tuple, found))


def _agrees(kind: str, value: str, thing: SceneThing) -> bool:
    return kind in thing.attributes and same_label(thing.attributes[kind], value)


def _fillings(things: tuple[int, ...], counts: Sequence[int], filled: int) -> Iterator[Matching]:
    """All ways to give `filled` of the things to nodes that take at most `counts`."""
    if not counts:
        yield ()
        return
    for number in range(max(0, filled - sum(counts[1:])), min(counts[0], filled) + 1):
        for some in combinations(things, number):
            left = tuple(thing for thing in things if thing not in some)
            for others in _fillings(left, counts[1:], filled - number):
                yield (some, *others)


def _number_of_fillings(things: int, counts: Sequence[int]) -> int:
    """How many there are, of as many things as fit; what is far above `MOST_MATCHINGS` may be any such number."""

    def number(left: int, counts: Sequence[int], filled: int) -> int:
        if not counts:
            return 1
        total = 0
        for some in range(max(0, filled - sum(counts[1:])), min(counts[0], filled) + 1):
            total += comb(left, some) * number(left - some, counts[1:], filled - some)
            if total > MOST_MATCHINGS:
                break
        return total

    return number(things, counts, min(things, sum(counts)))
