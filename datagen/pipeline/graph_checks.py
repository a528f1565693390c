"""Check that every stage of a graph finds the fields it reads, whatever values a record has.

A route is one combination of the values that `when` and `until` test. All records of a route meet the same stages.
There are finitely many routes, and each is checked.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datagen.core.errors import ConfigError, nearest
from datagen.core.stage import Combine, Expand
from datagen.pipeline.graph_model import Graph, Node, ancestors, is_same
from datagen.pipeline.validation_errors import in_yaml

SAMPLE_NEEDS = ("target", "instruction")
"""Fields without which a record is no sample."""
_MAX_ROUTES = 50_000
_OTHER = "any other value"
_TYPES: dict[str, tuple[type, ...]] = {"text": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
_IN_YAML = {"text": "text; put it in quotes", "int": "a whole number", "float": "a number", "bool": "true or false"}


def faults(graph: Graph) -> list[str]:
    """All faults of a graph, each with its place in the config; [] if it is sound.

    Routes are checked only if names and branches are sound. Otherwise one fault would be reported on many routes.
    Raises `ConfigError` if there are too many routes.
    """
    found = [*_field_faults(graph), *_trunk_faults(graph), *_clause_faults(graph)]
    if found:
        return found
    unique = {fault: "" for route in _routes(graph) for fault in _route_faults(graph, route)}
    return list(unique) or list(_end_faults(graph))


def _field_faults(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        for name in (*node.reads, *node.optional, *node.writes):
            if name not in graph.catalogue:
                hint = nearest(name, graph.catalogue)
                yield f"{node.origin}: '{node.id}' names a field '{name}' that nobody declares; {hint}"


def _trunk_faults(graph: Graph) -> Iterator[str]:
    """Stages that make new records beside another branch, where it is unclear which record continues on that one."""
    before = ancestors(graph.nodes)
    for node in graph.nodes:
        if node.branches_out:
            for other in graph.nodes:
                if other.id not in {node.id, *before[node.id]} and node.id not in before[other.id]:
                    yield (
                        f"{node.origin}: '{node.id}' makes new records while '{other.id}' runs on a branch beside it; "
                        f"put one `after` the other"
                    )
        if issubclass(node.stage, Combine):
            yield from _combine_faults(graph, node, before[node.id])


def _combine_faults(graph: Graph, node: Node, before: set[str]) -> Iterator[str]:
    by = getattr(node.stage, "by", "")
    field = node.renamed.get(by, by)
    if not by and not any(issubclass(other.stage, Expand) for other in graph.nodes if other.id in before):
        yield f"{node.origin}: '{node.id}' combines the children of one record, but no stage before it makes children"
    # a group has to lie in one slice, and only the source can keep its rows together
    if by and graph.loaded.pipeline.source.group_by != field:
        where = graph.loaded.located.origin(("source",))
        yield f"{where}: '{node.id}' combines records by '{field}'; add `group_by: {field}` to the source"


def _clause_faults(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        for clause in node.clauses:
            field = graph.catalogue.get(clause.field)
            if field is None:
                hint = nearest(clause.field, graph.catalogue)
                yield f"{node.origin}: '{node.id}' asks about '{clause.field}', no known field; {hint}"
                continue
            if field.kind not in _TYPES:
                yield f"{node.origin}: '{node.id}' asks about '{clause.field}', a {field.kind}, not a plain value"
                continue
            for value in clause.values:
                if type(value) not in _TYPES[field.kind]:  # not isinstance: `true` is an int in Python
                    yield f"{node.origin}: '{clause.field}' is never {in_yaml(value)}; it is {_IN_YAML[field.kind]}"
                elif (choices := _choices(graph, clause.field)) and value not in choices:
                    yield f"{node.origin}: '{clause.field}' is never '{value}'; {nearest(str(value), choices)}"


def _routes(graph: Graph) -> Iterator[dict[str, Any]]:
    """Every combination of values that the conditions distinguish; a value they do not list counts as `_OTHER`."""
    values: dict[str, list[Any]] = {}
    for node in graph.nodes:
        for clause in node.clauses:
            values.setdefault(clause.field, []).extend(clause.values)
    choices = [_distinct([*listed, *_other_values(graph, field)]) for field, listed in values.items()]
    for count, combination in enumerate(itertools.product(*choices)):
        if count >= _MAX_ROUTES:
            raise ConfigError(f"more than {_MAX_ROUTES} routes; ask about fewer fields in `when`")
        yield dict(zip(values, combination, strict=True))


def _distinct(values: list[Any]) -> list[Any]:
    return [value for n, value in enumerate(values) if not any(is_same(value, other) for other in values[:n])]


def _other_values(graph: Graph, field: str) -> tuple[str, ...]:
    """The choices of a field that has a list of them; else one value for all that no condition lists."""
    return _choices(graph, field) or (_OTHER,)


def _choices(graph: Graph, field: str) -> tuple[str, ...]:
    """All values of a field, where it or the options of those who write it list them; else ()."""
    known = graph.catalogue.get(field)
    if known and known.choices:
        return known.choices
    writers = [node for node in graph.nodes if field in node.writes]
    listed = [
        {node.renamed.get(name, name): values for name, values in node.stage.choices(node.config).items()}.get(
            field, ()
        )
        for node in writers
    ]
    return tuple(dict.fromkeys(itertools.chain(*listed))) if listed and all(listed) else ()


def _route_faults(graph: Graph, route: Mapping[str, Any]) -> Iterator[str]:
    """Fields that are missing, or written twice, for records of one route."""
    before = ancestors(graph.nodes)
    active = [node for node in graph.nodes if node.accepts(route)]
    given = set(graph.source.writes)
    writers: dict[str, list[Node]] = {}
    for node in active:
        has = given.union(*(other.writes for other in active if other.id in before[node.id]))
        for name in dict.fromkeys([*node.reads, *(clause.field for clause in node.clauses)]):
            if name not in has:
                yield _missing(graph, node, name, has, before)
        yield from _parallel_writers(node, active, before)
        for name in dict.fromkeys(node.writes):
            yield from _second_writer(graph, node, name, writers.setdefault(name, []))
            writers[name].append(node)


def _parallel_writers(node: Node, active: Iterable[Node], before: Mapping[str, set[str]]) -> Iterator[str]:
    """Optional fields of a stage that a parallel branch writes: the order of the two depends on resources."""
    for other in active:
        if other.id in {node.id, *before[node.id]} or node.id in before[other.id]:
            continue
        for name in node.optional:
            if name in other.writes:
                yield (
                    f"{node.origin}: '{node.id}' may read '{name}', which '{other.id}' writes on a branch beside it; "
                    "put one `after` the other"
                )


def _end_faults(graph: Graph) -> Iterator[str]:
    """The first route that ends without the fields a sample needs."""
    for route in _routes(graph):
        written = {name for node in graph.nodes if node.accepts(route) for name in node.writes}
        lacking = [name for name in SAMPLE_NEEDS if name not in written.union(graph.source.writes)]
        if lacking:
            names = ", ".join(f"'{name}'" for name in lacking)
            where = graph.loaded.located.origin(("stages",))
            ends = f"the pipeline ends{_route_text(route)} without {names}, which samples need"
            yield f"{where}: {ends}; let a stage write them"
            return


def _second_writer(graph: Graph, node: Node, name: str, earlier: list[Node]) -> Iterator[str]:
    if node.branches_out:
        return  # new records may replace fields of the record that they are made of
    if name in graph.source.writes:
        yield f"{node.origin}: '{node.id}' writes '{name}', which the source gives already; rename it with `map`"
    for other in earlier:
        if node.entry != other.entry:  # rounds of one repeat block write the same fields, the last one counts
            yield (
                f"{node.origin}: '{node.id}' writes '{name}', and so does '{other.id}' ({other.origin}); "
                "rename one with `map`, or let `when` keep them apart"
            )


def _missing(graph: Graph, node: Node, name: str, has: set[str], before: Mapping[str, set[str]]) -> str:
    start = f"{node.origin}: stage '{node.id}' reads '{name}', but"
    for other in graph.nodes:
        if name in other.writes and other.id in before[node.id]:
            only = " and ".join(str(clause) for clause in other.clauses)
            return f"{start} '{other.id}' writes it only where {only}; give '{node.id}' the same `when`"
        if name in other.writes and other.id != node.id:
            return f"{start} '{other.id}', which writes it, does not run before it; put '{node.id}' `after` it"
    hint = nearest(name, has) if name not in graph.catalogue else ""
    return f"{start} nothing before it writes '{name}'; it has: {', '.join(sorted(has))}{'; ' + hint if hint else ''}"


def _route_text(route: Mapping[str, Any]) -> str:
    """The route as an error shows it; '' if there are no conditions."""
    return f" (where {', '.join(f'{field} = {value}' for field, value in route.items())})" if route else ""
