"""What a graph would run, told before it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from datagen.execute.reuse.fingerprints import models_of, run_fingerprint, stage_fingerprints
from datagen.execute.workers.operators import Operator, fuse
from datagen.models.weights.config import PlacedConfig
from datagen.pipeline.graph_model import Graph, Node


def as_text(graph: Graph, *, salts: Mapping[str, str] = {}) -> str:
    """The graph and its operators, for a terminal."""
    return "\n".join([*_head(graph, salts), "", *_stages(graph, salts), "", *_operators(graph)])


def as_mermaid(graph: Graph) -> str:
    """The graph as a Mermaid flowchart; dashed arrows lead to rejections."""
    lines = ["flowchart LR", f'  source(["{graph.loaded.pipeline.source.kind}"])']
    lines += [f'  {node.id}["{_label(node)}"]' for node in graph.nodes]
    lines += ['  samples[("shards")]']
    followed = {id for node in graph.nodes for id in node.after}
    for node in graph.nodes:
        arrow = f'-- "{_conditions(node)}" -->' if node.clauses else "-->"
        lines += [f"  {before} {arrow} {node.id}" for before in node.after or ("source",)]
        if node.stage.rejects:
            lines.append(f'  {node.id} -.-> {node.id}_rejects("{"<br/>".join(node.stage.rejects)}"):::rejects')
    lines += [f"  {node.id} --> samples" for node in graph.nodes if node.id not in followed]
    lines.append("  classDef rejects stroke-dasharray: 4 3, fill: none")
    return "\n".join(lines)


def _label(node: Node) -> str:
    models = ", ".join(model.kind for model in models_of(node))
    return f"{node.id}<br/><i>{models}</i>" if models else node.id


def _conditions(node: Node) -> str:
    return " and ".join(str(clause) for clause in node.clauses)


def _head(graph: Graph, salts: Mapping[str, str]) -> Iterator[str]:
    pipeline = graph.loaded.pipeline
    yield f"{pipeline.pipeline}: {pipeline.description}".rstrip(": ")
    yield f"profile {graph.loaded.profile}, seed {pipeline.seed}, fingerprint {run_fingerprint(graph, salts=salts)}"
    if graph.loaded.unchecked:
        yield f"unchecked in this profile: {', '.join(graph.loaded.unchecked)}"
    yield f"source: {pipeline.source.kind} {pipeline.source.path}, {pipeline.slice_size} rows a slice"
    if pipeline.source.kind == "mix":
        yield from _mixed(graph)
    for node in graph.nodes:
        for model in models_of(node):
            if isinstance(model, PlacedConfig) and not model.is_pinned:
                yield f"not pinned: '{node.id}' takes whatever {model.weights} is at the time; give its `commit`"


def _mixed(graph: Graph) -> Iterator[str]:
    from datagen.sources.formats.mix.mix import Mix

    if isinstance(graph.source, Mix):
        yield from (f"  {part.summary()}" for part in graph.source.parts)


def _stages(graph: Graph, salts: Mapping[str, str]) -> Iterator[str]:
    prints = stage_fingerprints(graph, salts=salts)
    width = max(len(node.id) for node in graph.nodes)
    for node in graph.nodes:
        yield f"{node.id:<{width}}  {prints[node.id][:8]}  {', '.join(node.reads)} -> {', '.join(node.writes) or '-'}"
        about = [
            f"rejects {', '.join(node.stage.rejects)}" if node.stage.rejects else "",
            f"model {', '.join(model.revision for model in models_of(node))}" if models_of(node) else "",
            f"when {_conditions(node)}" if node.clauses else "",
        ]
        if any(about):
            yield f"{'':<{width}}            {'; '.join(part for part in about if part)}"


def _operators(graph: Graph) -> Iterator[str]:
    cores = os.cpu_count() or 1
    yield f"operators (this machine has {cores} cores):"
    for operator in fuse(graph):
        yield f"  {operator.name}: {_needs(operator)}, {_replicas(operator)}"


def _needs(operator: Operator) -> str:
    parts = [f"{len(operator.nodes)} stages", f"{operator.cpus:g} cores a worker"]
    if operator.gpus:
        takes = sum(node.gpu_memory_gb for node in operator.nodes)
        parts.append(f"{operator.gpus:g} GPUs a worker{f', {takes:g} GiB of GPU memory' if takes else ''}")
    return ", ".join(parts)


def _replicas(operator: Operator) -> str:
    most = operator.replicas.max
    return f"{operator.replicas.min} to {most if most else 'as many as fit'} workers"
