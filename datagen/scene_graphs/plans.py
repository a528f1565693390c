"""Cut a graph into parts, and plan how a picture of it is made in several steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, get_args

from pydantic import Field

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.core.options import Options
from datagen.scene_graphs.checks import check_soundness
from datagen.scene_graphs.differences import write_edits
from datagen.scene_graphs.graph import GraphObject, SceneGraph
from datagen.scene_graphs.vocabulary import Vocabulary, free_id, with_value
from datagen.scene_graphs.wording import describe

PlanOp = Literal["add", "change", "swap", "remove"]
Detour = Literal["change", "swap", "remove"]
DETOURS: Final[tuple[Detour, ...]] = get_args(Detour)
_MOST_DRAFTS = 60
"""Plans that are drawn before a graph is given up."""
_MOST_CUTS = 20
"""Parts that are drawn for each one that is wanted."""


class PlanStep(NamedTuple):
    """One step of a plan, which leads to one picture."""

    op: PlanOp
    """What its instruction does: also more things of a kind are an addition, and fewer a removal."""
    instruction: str
    """What to do with the picture of the step before, or with an empty one."""
    description: str
    """What the picture shows then."""
    graph: SceneGraph


class PlanOptions(Options):
    """How plans are made."""

    intermediates: tuple[int, int] = (3, 5)
    """Fewest and most pictures before the final one."""
    detours: float = Field(default=0.25, ge=0, le=1)
    """Share of plans with a detour: an object is another one, or has another attribute, until a later step puts it
    right, or one comes that a later step removes. Also plans that would be too short have one, unless this is 0."""
    late_attributes: float = Field(default=0.25, ge=0, le=1)
    """Share of plans in which one object gets an attribute in a step of its own. Also plans that would be too short
    have some, unless this is 0."""
    late_counts: float = Field(default=0.25, ge=0, le=1)
    """Share of plans in which there is at first one of several equal things, and a later step adds the others. Also
    plans that would be too short have some, unless this is 0."""
    kinds: tuple[Detour, ...] = DETOURS
    """What detours do; `change` takes another attribute, `swap` another object, `remove` an object too many."""


class _Put(NamedTuple):
    """A step as planned: nodes that are put in, each in the place of the one that has its id, and one that goes."""

    op: PlanOp
    nodes: tuple[GraphObject, ...]
    gone: str = ""


class _Extra(NamedTuple):
    """Steps beside those that add the objects of a graph."""

    node: GraphObject
    """What is put in first: the first form of a node of the graph, or an object too many."""
    later: _Put
    own_step: bool = False
    """Whether the node has a step of its own, because the graph has it not."""

    @property
    def cost(self) -> int:
        """Number of additional steps."""
        return 1 + self.own_step


def growth_order(graph: SceneGraph, draws: Draws) -> list[str]:
    """The ids of a graph in a random order in which every beginning is connected where the graph is.

    Of each connected part of the graph, the nodes of a beginning are connected by relations between them. Raises
    `DataError` if an end of a relation is no node.
    """
    neighbours: dict[str, set[str]] = {node.id: set() for node in graph.objects}
    for edge in graph.relations:
        if not {edge.subject, edge.object} <= neighbours.keys():
            raise DataError(
                f"'{edge.subject:.60}' {edge.predicate:.60} '{edge.object:.60}': the graph lacks an end of it; put "
                "`validate_graph` before"
            )
        neighbours[edge.subject].add(edge.object)
        neighbours[edge.object].add(edge.subject)
    part_of = {id: number for number, part in enumerate(graph.components()) for id in part}
    order: list[str] = []
    while len(order) < len(neighbours):
        begun = {part_of[id] for id in order}
        ready = [
            id
            for id, others in neighbours.items()
            if id not in order and (part_of[id] not in begun or not others.isdisjoint(order))
        ]
        order.append(draws.choose(ready))
    return order


def subgraphs(
    graph: SceneGraph, draws: Draws, *, count: int, least_objects: int = 2, least_atoms: int = 3
) -> list[SceneGraph]:
    """Up to `count` different parts of a graph, each with its objects in an order of its own.

    The first one is the whole graph. Parts are induced subgraphs that are connected where the graph is. If there are
    too few different ones, the same objects come in other orders. A part has at least `least_objects` objects and
    `least_atoms` atoms as `SceneGraph.complexity` counts them; the list is empty if the graph itself has fewer. Raises
    `DataError` if an end of a relation is no node.
    """
    ids = growth_order(graph, draws)
    parts: dict[tuple[str, ...], SceneGraph] = {}
    again: dict[tuple[str, ...], SceneGraph] = {}
    for number in range(count * _MOST_CUTS):
        order = growth_order(graph, draws)
        size = least_objects + draws.below(max(1, len(ids) - least_objects + 1)) if number else len(ids)
        part = _ordered(graph, order[:size])
        if len(part.objects) < least_objects or part.complexity() < least_atoms:
            continue
        is_new = all(set(order[:size]) != set(other) for other in parts)
        (parts if is_new else again).setdefault(tuple(order[:size]), part)
        if len(parts) == count:
            break
    others = [part for order, part in again.items() if order not in parts]
    return [*parts.values(), *others][:count]


def _ordered(graph: SceneGraph, order: Sequence[str]) -> SceneGraph:
    """The part that some nodes make, in their order; each relation comes with the later of its nodes."""
    place = {id: number for number, id in enumerate(order)}
    part = graph.subgraph(place)
    nodes = sorted(part.objects, key=lambda node: place[node.id])
    edges = sorted(part.relations, key=lambda edge: max(place[edge.subject], place[edge.object]))
    return part.model_copy(update={"objects": tuple(nodes), "relations": tuple(edges)})


def make_plan(
    graph: SceneGraph, draws: Draws, *, options: PlanOptions | None = None, vocabulary: Vocabulary | None = None
) -> list[PlanStep]:
    """A random plan of a graph, whose last step leads to the graph itself.

    Objects come in an order in which every beginning is connected where the graph is. A relation comes with the later
    of its two objects, so that nothing has to be moved, and a relative size ("huge") not before a second object. Where
    there are no detours and nothing comes late, each step's graph is an induced subgraph. A detour ends in the same
    graph; what is changed or swapped keeps its id.

    Raises `DataError` ("no plan ...") if there is none with as many steps as wanted, or none whose steps have words.
    """
    options, vocabulary = options or PlanOptions(), vocabulary or Vocabulary()
    last: DataError | None = None
    for _ in range(_MOST_DRAFTS):
        try:
            return _written(_draft(graph, draws, options, vocabulary), graph)
        except DataError as error:
            last = error
    fewest, most = (number + 1 for number in options.intermediates)
    raise DataError(f"no plan of {fewest} to {most} steps: {last}") from last


def _written(puts: Sequence[_Put], graph: SceneGraph) -> list[PlanStep]:
    steps, before = [], graph.subgraph(())
    for number, after in enumerate(_graphs(puts, graph), 1):
        after = graph if number == len(puts) else after
        problem = check_soundness(after)
        if problem:
            raise DataError(f"step {number} would be {problem.reason}: {problem.detail}")
        steps.append(PlanStep(puts[number - 1].op, write_edits(before, after), describe(after), after))
        before = after
    return steps


def _graphs(puts: Sequence[_Put], graph: SceneGraph) -> Iterator[SceneGraph]:
    nodes: dict[str, GraphObject] = {}
    for put in puts:
        nodes.pop(put.gone, None)
        nodes |= {node.id: node for node in put.nodes}
        relations = graph.subgraph(nodes).relations
        yield graph.model_copy(update={"objects": tuple(nodes.values()), "relations": relations})


def _draft(graph: SceneGraph, draws: Draws, options: PlanOptions, vocabulary: Vocabulary) -> list[_Put]:
    fewest, most = (number + 1 for number in options.intermediates)
    extras = _extras(graph, draws, options, vocabulary)
    while extras and 1 + _cost(extras) > most:
        extras.pop()
    cost, size = _cost(extras), len(graph.objects)
    if size + cost < fewest:
        raise DataError(f"{size} objects and what else may come late make {size + cost} steps")
    least = max(fewest, cost + 1)
    groups = _cut(
        growth_order(graph, draws), draws, parts=least + draws.below(min(most, size + cost) - least + 1) - cost
    )
    early = {extra.node.id: extra.node for extra in extras}
    nodes = {node.id: early.get(node.id, node) for node in graph.objects}
    puts = [_Put("add", tuple(nodes[id] for id in group)) for group in groups]
    for extra in extras:
        _insert(extra, puts, draws)
    return puts


def _insert(extra: _Extra, puts: list[_Put], draws: Draws) -> None:
    """Put what is special about one node somewhere behind its beginning."""
    if extra.own_step:
        puts.insert(1 + draws.below(len(puts)), _Put("add", (extra.node,)))
    start = next(place for place, put in enumerate(puts) if extra.node in put.nodes)
    puts.insert(start + 1 + draws.below(len(puts) - start), extra.later)


def _cost(extras: Sequence[_Extra]) -> int:
    return sum(extra.cost for extra in extras)


def _cut(order: Sequence[str], draws: Draws, *, parts: int) -> list[Sequence[str]]:
    """Consecutive groups of random sizes."""
    cuts = sorted(draws.shuffle(range(1, len(order)))[: parts - 1])
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def _extras(graph: SceneGraph, draws: Draws, options: PlanOptions, vocabulary: Vocabulary) -> list[_Extra]:
    """What comes beside the objects: what the shares draw, then what a plan needs in order to be long enough."""
    shares = {"count": options.late_counts, "attribute": options.late_attributes, "detour": options.detours}
    drawn = [kind for kind, share in shares.items() if draws.happens(share)]
    late = draws.shuffle([kind for kind in ("count", "attribute") if shares[kind] > 0])
    spare = [*late * len(graph.objects), *(["detour"] if options.detours and "detour" not in drawn else [])]
    nodes = draws.shuffle(graph.objects)
    needed = options.intermediates[0] + 1 - len(nodes)
    found: list[_Extra] = []
    for number, kind in enumerate([*drawn, *spare]):
        if number < len(drawn) or _cost(found) < needed:
            free = [node for node in nodes if all(node.id != extra.node.id for extra in found)]
            extra = _extra(kind, free, graph, draws, options, vocabulary)
            found += [extra] if extra else []
    return found


def _extra(
    kind: str, free: Sequence[GraphObject], graph: SceneGraph, draws: Draws, options: PlanOptions, words: Vocabulary
) -> _Extra | None:
    """One of a kind, of the first of some nodes that allows it; None if none does."""
    if kind == "detour":
        choices = (_detour(each, free, graph, draws, words) for each in draws.shuffle(options.kinds))
        return next((each for each in choices if each), None)
    for node in free:
        if kind == "count" and node.count > 1:
            return _Extra(node.model_copy(update={"count": 1}), _Put("add", (node,)))
        if kind == "attribute" and node.attributes:
            late = draws.choose(node.attributes)
            return _Extra(with_value(node, late.kind, ""), _Put("change", (node,)))
    return None


def _detour(
    kind: Detour, free: Sequence[GraphObject], graph: SceneGraph, draws: Draws, words: Vocabulary
) -> _Extra | None:
    if kind == "remove":
        strange = words.strange_object(graph, draws, id=free_id(graph))
        return _Extra(strange, _Put("remove", (), strange.id), own_step=True) if strange else None
    for node in free:
        labels = words.other_labels(graph)
        if kind == "swap" and labels:
            return _Extra(node.model_copy(update={"label": draws.choose(labels)}), _Put("swap", (node,)))
        if kind == "change" and node.attributes:
            each = draws.choose(node.attributes)
            values = words.other_values(each.kind, node.label, graph=graph)
            if values:
                return _Extra(with_value(node, each.kind, draws.choose(values)), _Put("change", (node,)))
    return None
