"""What decides a stage's output, as one short hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from datagen.models.base import ModelConfig
from datagen.nodes import Graph, Node
from datagen.stage import Combine


def stage_fingerprints(graph: Graph) -> dict[str, str]:
    """A hash for each node: its version, options, models, and the fingerprints of those it depends on.

    A node depends on those that wrote what it reads or what its conditions ask about: it answers
    each record by itself, and a filter before it decides which records come, not what it makes of
    them. That holds for Expand too, whose children are named after their parent alone. Combine is
    told which siblings were lost, so that it depends on all that run before it. Resources are not
    in it.
    """
    found: dict[str, str] = {}
    writers: dict[str, list[str]] = {}
    for node in graph.nodes:
        asked = {clause.field for clause in node.clauses}
        names = {*node.reads, *node.optional, *asked}
        upstream = sorted({id for name in names for id in writers.get(name, [])})
        if issubclass(node.stage, Combine):
            upstream = sorted(found)
        found[node.id] = digest({**_own(graph, node), "upstream": [found[id] for id in upstream]})
        for name in node.writes:
            writers.setdefault(name, []).append(node.id)
    return found


def run_fingerprint(graph: Graph) -> str:
    """A hash of all that decides the committed samples; the source's rows and the packing are not in it."""
    pipeline = graph.loaded.pipeline
    return digest(
        {
            "pipeline": pipeline.pipeline,
            "seed": pipeline.seed,
            "stages": stage_fingerprints(graph),
            "images": pipeline.output.images.model_dump(),
            "unchecked": graph.loaded.unchecked,
        }
    )


def models_of(node: Node) -> list[ModelConfig]:
    """The models that a node's options name."""
    return _models(node.config)


def digest(value: Any) -> str:
    """A hash of plain data, 16 hex digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _own(graph: Graph, node: Node) -> Mapping[str, Any]:
    return {
        "id": node.id,
        "use": node.use,
        "version": node.stage.version,
        "options": node.config.model_dump(mode="json"),
        "models": [model.revision for model in models_of(node)],
        "map": dict(node.renamed),
        "when": [list(clause) for clause in node.clauses],
        "seed": graph.loaded.pipeline.seed,
    }


def _models(value: Any) -> list[ModelConfig]:
    if isinstance(value, ModelConfig):
        return [value]
    if isinstance(value, BaseModel):
        return [model for name in type(value).model_fields for model in _models(getattr(value, name))]
    if isinstance(value, list | tuple):
        return [model for item in value for model in _models(item)]
    return []
