"""Fingerprints: a short hash of everything that decides the output of a stage.

Stored answers are found by the stage's fingerprint, the name of the slice, the id of the record, and the checksums of
the files that were read for it (`read_checksums`). So as long as these stay the same, a record with the same id must
get the same input values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datagen.core.options import decisive
from datagen.core.stage import Combine
from datagen.models.base import ModelConfig, models_in
from datagen.pipeline.graph_model import Clause, Graph, Node


def stage_fingerprints(graph: Graph, *, salts: Mapping[str, str] = {}) -> dict[str, str]:
    """The fingerprint of each node, by id: a hash of its version, options, models, fields and upstream fingerprints.

    `salts`, by node, set answers apart from those of the stage's older code. Resources are not in it. Nor are the
    bounds of a Filter, unless it sets `bounds_in_fingerprint`. A Combine behind a Filter has its bounds, since it
    receives the records that failed.
    """
    found: dict[str, str] = {}
    needs = dependencies(graph)
    for node in graph.nodes:
        upstream = {id: found[id] for id in needs[node.id]}
        found[node.id] = stage_fingerprint(node, graph=graph, upstream=upstream, salt=salts.get(node.id))
    return found


def stage_fingerprint(node: Node, *, graph: Graph, upstream: Mapping[str, str], salt: str | None = None) -> str:
    """The hash of one node; `upstream` has the hashes of those it depends on, in the order of `dependencies`."""
    own, bounds = own_part(graph, node.id), node.bounds
    # Scores are stored and compared with the thresholds in each run, so that another threshold needs no new answers.
    own["options"] = {name: value for name, value in own["options"].items() if name not in bounds}
    if issubclass(node.stage, Combine):
        own["bounds"] = bounds_of(other for other in graph.nodes if other.id in upstream)
    if salt is not None:
        own["salt"] = salt
    return digest({**own, "upstream": list(upstream.values())})


def bounds_of(nodes: Iterable[Node]) -> dict[str, dict[str, Any]]:
    """The thresholds of Filters, by node and option."""
    return {node.id: node.bounds for node in nodes if node.bounds}


def dependencies(graph: Graph) -> dict[str, tuple[str, ...]]:
    """The nodes that each node depends on directly, by id.

    A node depends on the nodes that wrote the fields that it reads or that its conditions test. It does not depend on a
    Filter before it, which decides which records arrive, but not their values. After a stage that makes new records,
    every node also depends on the last such stage, which decides which record has an id and what it inherited.
    A Combine receives the lost records with the stage that lost each, so it depends on all nodes before it, in order.
    """
    found: dict[str, tuple[str, ...]] = {}
    for index, node in enumerate(graph.nodes):
        before = graph.nodes[:index]
        if issubclass(node.stage, Combine):
            found[node.id] = tuple(other.id for other in before)
            continue
        makers = {other.id for other in [other for other in before if other.branches_out][-1:]}
        asked = {clause.field for clause in node.clauses}
        names = {*node.reads, *node.optional, *asked}
        found[node.id] = tuple(sorted(makers.union(*(_writers(name, node, before) for name in names))))
    return found


CHECKSUM = "original_sha256"
"""What a stage calls the checksum of a file that it has read."""


def read_checksums(graph: Graph) -> dict[str, tuple[str, ...]]:
    """By node, the fields with checksums of the files on which its answers depend, directly or through other nodes.

    A picture can be replaced under its name, and no fingerprint would tell.
    """
    found: dict[str, set[str]] = {}
    needs = dependencies(graph)
    own = {
        node.id: {node.renamed.get(CHECKSUM, CHECKSUM)} if CHECKSUM in node.stage.writes else set()
        for node in graph.nodes
    }
    for node in graph.nodes:
        found[node.id] = set().union(*(own[id] | found[id] for id in needs[node.id]))
    return {id: tuple(sorted(fields)) for id, fields in found.items()}


def _writers(name: str, node: Node, before: Sequence[Node]) -> set[str]:
    """The nodes that may have written the value of a field that `node` reads."""
    found: set[str] = set()
    for index in range(len(before) - 1, -1, -1):
        writer = before[index]
        if name not in writer.writes:
            continue
        since = {field for other in before[index:] for field in other.writes}
        # Conditions on a field that this writer or a later node writes test another value than the writer's conditions.
        comparable = [clause for clause in node.clauses if clause.field not in since]
        if any(_exclude(one, other) for one in writer.clauses for other in comparable):
            continue
        found.add(writer.id)
        if set(writer.clauses) <= set(comparable) and not issubclass(writer.stage, Combine):
            break  # every record that reaches the node passed this writer, which replaced all earlier values
    return found


def _exclude(one: Clause, other: Clause) -> bool:
    """Whether no value of the field satisfies both conditions."""
    if one.field != other.field or (one.negated and other.negated):
        return False
    sure, asked = (other, one) if one.negated else (one, other)
    return not any(asked.holds(value) for value in sure.values)


def run_fingerprint(graph: Graph, *, stage_fingerprints: Mapping[str, str]) -> str:
    """A hash of everything that decides the committed samples, except the source's rows and options of packing."""
    pipeline = graph.loaded.pipeline
    return digest(
        {
            "pipeline": pipeline.pipeline,
            "seed": pipeline.seed,
            "stages": dict(stage_fingerprints),
            "bounds": bounds_of(graph.nodes),
            # The order of filters decides which of them rejects a record, but not what any stage answers.
            "after": {node.id: sorted(node.after) for node in graph.nodes},
            "images": pipeline.output.images.model_dump(),
            "unchecked": graph.loaded.unchecked,
        }
    )


def models_of(node: Node) -> list[ModelConfig]:
    """The configs of all models in the options of a node."""
    return models_in(node.config)


def digest(value: Any) -> str:
    """A hash of JSON data, 16 hex digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def own_part(graph: Graph, id: str) -> dict[str, Any]:
    """The parts of a node's fingerprint without those of upstream nodes, as JSON data."""
    node = next(node for node in graph.nodes if node.id == id)
    return {
        "id": node.id,
        "use": node.use,
        "class": f"{node.stage.__module__}.{node.stage.__qualname__}",
        "version": node.stage.version,
        "options": decisive(node.config),
        "models": [model.revision for model in models_of(node)],
        "map": dict(node.renamed),
        "when": [list(clause) for clause in node.clauses],
        "reads": list(node.reads),
        "optional": list(node.optional),
        "writes": {name: graph.catalogue[name].kind for name in node.writes},
        "seed": graph.loaded.pipeline.seed,
    }
