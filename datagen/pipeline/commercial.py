"""`check --commercial`: the licences of a pipeline's models and pictures, and whether they forbid commercial use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from datagen.core.licenses import CommercialUse, commercial_use, is_among, known_as, license_of, source_of
from datagen.models.base import ModelConfig, placed_models
from datagen.pipeline.config import stage_places
from datagen.pipeline.graph_model import Graph, Node
from datagen.shards.index import StageRow
from datagen.sources.formats.mix.config import MixConfig

_GATE = "license_forbids"
"""The rejection of `filter_license`: a stage that has it drops pictures whose licence is not allowed."""


class Licensed(NamedTuple):
    """A model, or some pictures, and what their licence says of commercial use."""

    where: str
    """Such as `configs/x.yaml:14`."""
    what: str
    license: str
    """'' if none is stated."""
    standing: CommercialUse
    """What the licence says of commercial use; the JSON of `check --commercial` has this name."""
    read: str
    """Where the licence was read."""
    remedy: str
    """What to do if commercial use is forbidden, or if nothing is known."""

    def __str__(self) -> str:
        if self.standing == "conditions":
            return f"{self.where}: {self.what}, under {self.license}, which has conditions: read {self.read}"
        if self.standing == "forbidden":
            terms = f"under {self.license}, which forbids commercial use ({self.read})"
            return f"{self.where}: {self.what}, {terms}; {self.remedy}"
        if self.license:
            return (
                f"{self.where}: {self.what}, under '{self.license}', of which nothing is known; "
                f"if it allows commercial use: --allow '{self.license}'"
            )
        return f"{self.where}: {self.what}, under no licence that is stated; {self.remedy}"


def licences(graph: Graph, *, allow: Collection[str] = ()) -> list[Licensed]:
    """The licences of the pipeline's models, then of the models that made a mix's datasets, then of the source's rows.

    Licences named by `allow` count as allowed. All rows of the source are read, unless a stage without `when` rejects
    those whose licence is not allowed.
    """
    gated = any(_is_gate(node, allow) for node in graph.nodes)
    found = [*_model_licences(graph), *_dataset_licences(graph), *([] if gated else _row_licences(graph))]
    return [row._replace(standing="allowed") if row.license and is_among(row.license, allow) else row for row in found]


def _model_licences(graph: Graph) -> Iterator[Licensed]:
    places = stage_places(graph.loaded.located.data)
    # one node an entry: the rounds of a repeat block have the same models
    for node in {node.entry: node for node in graph.nodes}.values():
        for place, model in placed_models(node.config):
            if model.licensed is not None:
                where = graph.loaded.located.origin((*places[node.entry], "with", *place))
                yield _licensed(
                    where,
                    f"'{node.id}' uses {_model_name(model)}",
                    model.licensed,
                    remedy=f"take another model for '{node.id}'"
                    if model.licensed
                    else "once you know it, write `weights_license: NAME` beside it, such as Apache-2.0",
                )


def _model_name(model: ModelConfig) -> str:
    """The name of the weights, or of the model on its server; else its kind."""
    named = [
        str(value) for name in ("weights", "model") if isinstance(value := getattr(model, name, None), str) and value
    ]
    return named[-1] if named else model.kind


def _dataset_licences(graph: Graph) -> Iterator[Licensed]:
    """The licences of the models that made the samples of a mix's datasets, each run and model once."""
    source = graph.loaded.pipeline.source
    if not isinstance(source, MixConfig):
        return
    from datagen.sources.formats.mix.mix import Mix

    where = graph.loaded.located.origin(("source", "datasets"))
    listed: set[tuple[str, str]] = set()
    for name, runs in Mix(source.datasets, seed=source.seed).runs_by_name().items():
        used = [
            (run.fingerprint, stage.id, found) for run in runs for stage in run.stages for found in _models_used(stage)
        ]
        for run, id, (model, license, remedy) in used:
            if (run, model) not in listed:
                listed.add((run, model))
                what = f"'{name}' was made with {model} ('{id}' of run {run})"
                yield _licensed(where, what, license, remedy=remedy.format(name=name))


def _models_used(stage: StageRow) -> Iterator[tuple[str, str, str]]:
    """Each model of a stage of an earlier run: its name, its licence, and the remedy if that is not allowed."""
    if stage.licenses is not None:
        for model, license in stage.licenses.items():
            yield model, license, _LEAVE_OUT if license else _STATE
    elif stage.model:
        # the run is older than licences in dataset.json: all there is to go by is the name of the weights
        for model in stage.revision.split(", "):
            weights = model.partition(":")[2].partition("@")[0]
            yield model, license_of(weights), _LEAVE_OUT if license_of(weights) else _REMAKE


_LEAVE_OUT = "leave '{name}' out of the mix"
_STATE = "leave '{name}' out, or make it again with `weights_license: NAME` beside the model"
_REMAKE = "its dataset.json is older than licences in it: run what made '{name}' into it again, which adds them"


def _row_licences(graph: Graph) -> Iterator[Licensed]:
    """The licences of the source's rows: each once, with its count and the first row that has it."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for row in graph.source.rows():
        # of a mix only the rows that it takes; other sources have no `mix_says`
        if not row.error and row.fields.get("mix_says", "taken") == "taken":
            name = known_as(str(row.fields.get("license") or ""))
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
    name = known_as(license)
    return Licensed(where, what, name, commercial_use(name), source_of(name), remedy)


def _is_gate(node: Node, allow: Collection[str]) -> bool:
    """Whether a stage rejects every picture whose licence is not allowed, by the table or by `allow`."""
    # a stage without `keep` is taken to let unknown licences pass, so that it is no gate
    passes = {*getattr(node.config, "keep", ("unknown",))}
    passes |= {commercial_use(name) for name in getattr(node.config, "allow", ()) if not is_among(name, allow)}
    judges = _GATE in node.stage.rejects and "license" in node.reads and not node.clauses
    return judges and passes <= {"allowed", "conditions"}
