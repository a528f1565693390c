"""Under which licences a pipeline's models and pictures are, and whether these forbid commercial use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from datagen.core.licenses import CommercialUse, commercial_use, is_listed, license_of, source_of, spdx_name
from datagen.models.base import ModelConfig, placed_models
from datagen.pipeline.config import stage_places
from datagen.pipeline.graph_model import Graph, Node
from datagen.shards.index import StageRow
from datagen.sources.formats.mix.config import MixConfig

_GATE = "license_forbids"
"""A stage that rejects for this lets no picture pass that is not allowed."""


class Licensed(NamedTuple):
    """A model, or pictures, and what their licence says of commercial use."""

    where: str
    """Such as `configs/x.yaml:14`."""
    what: str
    license: str
    """'' where none is stated."""
    standing: CommercialUse
    read: str
    """Where it was read what the licence says."""
    remedy: str

    def __str__(self) -> str:
        if self.standing == "conditions":
            return f"{self.where}: {self.what}, under {self.license}, which has conditions: read {self.read}"
        if self.standing == "forbidden":
            told = f"under {self.license}, which forbids commercial use ({self.read})"
            return f"{self.where}: {self.what}, {told}; {self.remedy}"
        if self.license:
            return (
                f"{self.where}: {self.what}, under '{self.license}', of which nothing is known; "
                f"if it allows commercial use: --allow '{self.license}'"
            )
        return f"{self.where}: {self.what}, under no licence that is stated; {self.remedy}"


def licences(graph: Graph, *, allow: Collection[str] = ()) -> list[Licensed]:
    """The licences of all models, of those that made a mix's datasets, then of the source's rows.

    Rows are read, all of them, unless a stage without `when` rejects what is not
    allowed. What `allow` names counts as allowed, whatever is known of it.
    """
    gated = any(_is_gate(node, allow) for node in graph.nodes)
    found = [*_of_models(graph), *_of_datasets(graph), *([] if gated else _of_rows(graph))]
    return [row._replace(standing="allowed") if row.license and is_listed(row.license, allow) else row for row in found]


def _of_models(graph: Graph) -> Iterator[Licensed]:
    places = stage_places(graph.loaded.located.data)
    for node in {node.entry: node for node in graph.nodes}.values():
        for place, model in placed_models(node.config):
            if model.licensed is not None:
                where = graph.loaded.located.origin((*places[node.entry], "with", *place))
                yield _licensed(
                    where,
                    f"'{node.id}' uses {_name(model)}",
                    model.licensed,
                    remedy=f"take another model for '{node.id}'"
                    if model.licensed
                    else "once you know it, write `weights_license: NAME` beside it, such as Apache-2.0",
                )


def _name(model: ModelConfig) -> str:
    """The weights, or the model on its server, else its kind."""
    named = [
        str(value) for name in ("weights", "model") if isinstance(value := getattr(model, name, None), str) and value
    ]
    return named[-1] if named else model.kind


def _of_datasets(graph: Graph) -> Iterator[Licensed]:
    """The models that made the samples of a mix's datasets, each once."""
    source = graph.loaded.pipeline.source
    if not isinstance(source, MixConfig):
        return
    from datagen.sources.formats.mix.mix import Mix

    where = graph.loaded.located.origin(("source", "datasets"))
    told: set[tuple[str, str]] = set()
    for name, runs in Mix(source.datasets, seed=source.seed).runs_by_name().items():
        used = [(run.fingerprint, stage.id, found) for run in runs for stage in run.stages for found in _used(stage)]
        for run, id, (model, license, remedy) in used:
            if (run, model) not in told:
                told.add((run, model))
                what = f"'{name}' was made with {model} ('{id}' of run {run})"
                yield _licensed(where, what, license, remedy=remedy.format(name=name))


def _used(stage: StageRow) -> Iterator[tuple[str, str, str]]:
    """Each model of a stage as it ran, its licence, and what to do where that will not do."""
    if stage.licenses is not None:
        for model, license in stage.licenses.items():
            yield model, license, _LEAVE_OUT if license else _STATE
    elif stage.model:
        for model in stage.revision.split(", "):
            weights = model.partition(":")[2].partition("@")[0]
            yield model, license_of(weights), _LEAVE_OUT if license_of(weights) else _AGAIN


_LEAVE_OUT = "leave '{name}' out of the mix"
_STATE = "leave '{name}' out, or make it again with `weights_license: NAME` beside the model"
_AGAIN = "its dataset.json is older than licences in it: run what made '{name}' into it again, which adds them"


def _of_rows(graph: Graph) -> Iterator[Licensed]:
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for row in graph.source.rows():
        if not row.error and _is_taken(row.fields):
            name = spdx_name(str(row.fields.get("license") or ""))
            counts[name] += 1
            first.setdefault(name, row.id)
    mix = isinstance(graph.loaded.pipeline.source, MixConfig)
    where = graph.loaded.located.origin(("source", "datasets" if mix else "path"))
    total = sum(counts.values())
    for name, count in sorted(counts.items()):
        what = f"the source: {count:,} of {total:,} pictures, such as '{first[name]}'"
        remedy = "put the stage `filter_license` first, which rejects them one by one"
        yield _licensed(where, what, name, remedy=remedy)


def _licensed(where: str, what: str, license: str, *, remedy: str) -> Licensed:
    name = spdx_name(license)
    return Licensed(where, what, name, commercial_use(name), source_of(name), remedy)


def _is_taken(fields: Mapping[str, Any]) -> bool:
    """Whether a row is not one that a mix leaves."""
    return bool(fields.get("mix_says", "taken") == "taken")


def _is_gate(node: Node, allow: Collection[str]) -> bool:
    """Whether no picture passes a stage that is not allowed; `allow` names what is, beyond the table."""
    kept = {*getattr(node.config, "keep", ("unknown",))}
    kept |= {commercial_use(name) for name in getattr(node.config, "allow", ()) if not is_listed(name, allow)}
    judges = _GATE in node.stage.rejects and "license" in node.reads and not node.clauses
    return judges and kept <= {"allowed", "conditions"}
