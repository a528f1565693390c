"""Text and Mermaid diagrams of a graph, for `plan`: stages, fields, models, operators."""

from __future__ import annotations

import os
from collections.abc import Iterator

from datagen.execute.reuse.fingerprints import models_of
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.workers.operators import Operator, fuse, plan_pools
from datagen.models.weights.config import WeightsSourceConfig
from datagen.pipeline.graph_model import Graph, Node


def as_text(context: RunContext) -> str:
    """Format the stages and operators of a run as text for a terminal."""
    return "\n".join([*_head(context), "", *_stages(context), "", *_operators(context.graph)])


def as_mermaid(graph: Graph) -> str:
    """Format a graph as a Mermaid flowchart; dashed arrows lead to rejections."""
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


def _head(context: RunContext) -> Iterator[str]:
    graph, pipeline = context.graph, context.graph.loaded.pipeline
    yield f"{pipeline.pipeline}: {pipeline.description}".rstrip(": ")
    yield f"profile {graph.loaded.profile}, seed {pipeline.seed}, fingerprint {context.fingerprint}"
    if graph.loaded.unchecked:
        yield f"unchecked in this profile: {', '.join(graph.loaded.unchecked)}"
    yield f"source: {pipeline.source.kind} {pipeline.source.path}, {pipeline.slice_size} rows a slice"
    if pipeline.source.kind == "mix":
        yield from _mix_parts(graph)
    for node in graph.nodes:
        for model in models_of(node):
            if isinstance(model, WeightsSourceConfig) and not model.is_pinned:
                yield f"not pinned: '{node.id}' takes whatever {model.weights} is at the time; give its `commit`"


def _mix_parts(graph: Graph) -> Iterator[str]:
    from datagen.sources.formats.mix.mix import Mix

    if isinstance(graph.source, Mix):
        yield from (f"  {part.summary()}" for part in graph.source.parts)


def _stages(context: RunContext) -> Iterator[str]:
    width = max(len(node.id) for node in context.graph.nodes)
    for node in context.graph.nodes:
        print = context.stage_fingerprints[node.id][:8]
        yield f"{node.id:<{width}}  {print}  {', '.join(node.reads)} -> {', '.join(node.writes) or '-'}"
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
    operators = fuse(graph)
    first = {step: operators[plan.steps[0]] for plan in plan_pools(operators) for step in plan.steps}
    for step, operator in enumerate(operators):
        if first[step] is operator:
            yield f"  {operator.name}: {_needs(operator)}, {_replicas(operator)}"
        else:
            yield f"  {operator.name}: {len(operator.nodes)} stages, in the workers of {first[step].name}"


def _needs(operator: Operator) -> str:
    parts = [f"{len(operator.nodes)} stages", f"{operator.cpus:g} cores a worker"]
    if operator.gpus:
        takes = sum(node.gpu_memory_gb for node in operator.nodes)
        parts.append(f"{operator.gpus:g} GPUs a worker{f', {takes:g} GiB of GPU memory' if takes else ''}")
    return ", ".join(parts)


def _replicas(operator: Operator) -> str:
    most = operator.replicas.max
    return f"{operator.replicas.min} to {most if most else 'as many as fit'} workers"
