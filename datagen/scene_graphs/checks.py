"""What is wrong with a graph: reasons for which `validate_graph` rejects it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from datagen.core.english import number_word
from datagen.scene_graphs.graph import OPPOSITES, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.lexicon import RELATIVE
from datagen.scene_graphs.noun_phrases import plural_label

GRAPH_REASONS: Final = (
    "dangling",
    "contradiction",
    "conflict",
    "relative_alone",
    "unfaithful",
    "too_simple",
    "too_complex",
)
"""Reasons, in the order in which they are looked for."""


class GraphProblem(NamedTuple):
    """Why a graph is not used."""

    reason: str
    """One of `GRAPH_REASONS`."""
    detail: str
    """Where, in words."""


def check_graph(
    graph: SceneGraph, *, caption: str = "", least_atoms: int = 3, most_atoms: int = 10
) -> GraphProblem | None:
    """The first thing that is wrong with a graph; None if nothing is: what `check_soundness` finds, and

    - `too_simple`, `too_complex`: less or more atoms than these bounds, as `SceneGraph.complexity` counts them (3 to 10
      is the range of GenEval 2).
    """
    if problem := check_soundness(graph, caption=caption):
        return problem
    atoms = graph.complexity()
    if atoms < least_atoms:
        return GraphProblem("too_simple", f"{atoms} atoms, at least {least_atoms} are wanted")
    if atoms > most_atoms:
        return GraphProblem("too_complex", f"{atoms} atoms, at most {most_atoms} are wanted")
    return None


def check_soundness(graph: SceneGraph, *, caption: str = "") -> GraphProblem | None:
    """The first thing that is wrong with a graph of whatever size; None if nothing is.

    - `dangling`: two objects have one id, or an end of a relation is no object, or the relation is to itself.
    - `contradiction`: opposite predicates on one pair, or a circle of strict order on one axis.
    - `conflict`: two values of one kind of attribute.
    - `relative_alone`: a relative size, such as "huge", with no other object beside it.
    - `unfaithful`: a label, number or attribute that the caption does not have, if there is a caption.
    """
    if detail := next(_dangling(graph), None):
        return GraphProblem("dangling", detail)
    for reason, details in (
        ("contradiction", _contradictions(graph)),
        ("conflict", _conflicts(graph)),
        ("relative_alone", _relative_alone(graph)),
        ("unfaithful", _unfaithful(graph, caption) if caption.strip() else iter(())),
    ):
        if detail := next(details, None):
            return GraphProblem(reason, detail)
    return None


def _dangling(graph: SceneGraph) -> Iterator[str]:
    for id, number in Counter(node.id for node in graph.objects).items():
        if number > 1:
            yield f"{number} objects have the id '{id}'"
    for edge in graph.relations:
        for end in (edge.subject, edge.object):
            if graph.get(end) is None:
                yield f"{_words(edge)}: there is no object '{end}'"
        if edge.subject == edge.object:
            yield f"{_words(edge)}: a relation to itself"


def _words(edge: GraphRelation) -> str:
    return f"'{edge.subject}' {edge.predicate} '{edge.object}'"


def _contradictions(graph: SceneGraph) -> Iterator[str]:
    """Circles on each axis; opposite predicates on one pair are circles of two."""
    for before, after in (("left of", "right of"), ("above", "below"), ("in front of", "behind"), ("on", "under")):
        ahead: dict[str, list[str]] = {}
        for edge in graph.relations:
            if edge.predicate == before:
                ahead.setdefault(edge.subject, []).append(edge.object)
            elif edge.predicate == after:
                ahead.setdefault(edge.object, []).append(edge.subject)
        if circle := _circle(ahead):
            steps = f" {before} ".join(f"'{id}'" for id in circle)
            yield f"in a circle: {steps}"
    directions = {(edge.subject, edge.predicate, edge.object) for edge in graph.relations}
    for subject, predicate, object in sorted(directions):
        across = _ACROSS.get(predicate, "")
        if (subject, across, object) in directions or (object, OPPOSITES.get(across, ""), subject) in directions:
            yield f"'{subject}' is {predicate} '{object}', and it is {across} it too"


_ACROSS: Final = {"on": "below", "under": "above"}
"""Predicates that exclude each other, though they are not opposites."""


def _circle(ahead: dict[str, list[str]]) -> Sequence[str]:
    """A way that leads back to its start, which it names twice; empty if there is none."""
    done: set[str] = set()
    for start, first in ahead.items():
        way, branches = [start], [iter(first)]
        while branches:
            step = next(branches[-1], None)
            if step is None:
                branches.pop()
                done.add(way.pop())
            elif step in way:
                return [*way[way.index(step) :], step]
            elif step not in done:
                way.append(step)
                branches.append(iter(ahead.get(step, ())))
    return ()


def _conflicts(graph: SceneGraph) -> Iterator[str]:
    for node in graph.objects:
        values: dict[str, str] = {}
        for each in node.attributes:
            if values.setdefault(each.kind, each.value) != each.value:
                yield f"'{node.id}' ({node.label}): {each.kind} is '{values[each.kind]}' and '{each.value}'"


def _relative_alone(graph: SceneGraph) -> Iterator[str]:
    for node in graph.objects if len(graph.objects) == 1 else ():
        for each in node.attributes:
            if each.kind == "size" and each.value.lower() in RELATIVE:
                yield f"'{node.id}' ({node.label}) is {each.value}, beside nothing else"


def _unfaithful(graph: SceneGraph, caption: str) -> Iterator[str]:
    text = _plain(caption)
    for node in graph.objects:
        if not any(_plain(form) in text for form in (node.label, plural_label(node.label))):
            yield f"the caption has no '{node.label}'"
        if node.count > 1 and not any(_plain(form) in text for form in _number_forms(node)):
            yield f"the caption does not say {node.count} of '{node.label}'"
        for each in node.attributes:
            if _plain(each.value) not in text:
                yield f"the caption has no '{each.value}' ({each.kind} of '{node.label}')"


def _number_forms(node: GraphObject) -> tuple[str, ...]:
    forms = (str(node.count), number_word(node.count))
    return (*forms, "a pair of", "a couple of", "both") if node.count == 2 else forms


def _plain(text: str) -> str:
    """Words in lower case between spaces, so that one text has another as whole words, in one spelling."""
    words = re.findall(r"[^\W_]+", text.lower())
    return f" {' '.join(_SPELLINGS.get(word, word) for word in words)} "


_SPELLINGS: Final = {"gray": "grey", "color": "colour", "colors": "colours", "colored": "coloured"}
