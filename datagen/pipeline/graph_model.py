"""The graph of a pipeline: its nodes, their conditions, and what follows from both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from datagen.core.fields import Field
from datagen.core.redact import variables_named_in
from datagen.core.stage import Combine, Expand, Filter, Stage, StageConfig
from datagen.models.base import models_in
from datagen.models.weights.config import WeightsConfig
from datagen.pipeline.config import Loaded, Resources
from datagen.sources.base import Source


def is_same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal; unlike Python, `true` is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def is_deterministic(stage: type[Stage], config: StageConfig) -> bool:
    """Whether a stage and all models that its options name give the same answer twice."""
    return stage.deterministic and all(model.deterministic for model in models_in(config))


class Clause(NamedTuple):
    """A condition: the field is one of `values`, or none of them if `negated`."""

    field: str
    values: tuple[Any, ...]
    negated: bool = False

    def holds(self, value: Any) -> bool:
        """Whether the condition is true for this value of the field."""
        return any(is_same(value, listed) for listed in self.values) != self.negated

    def __str__(self) -> str:
        values = ", ".join(str(value) for value in self.values)
        return f"{self.field} {'is not' if self.negated else '='} {values}"


@dataclass(frozen=True)
class Node:
    """One use of a stage. Field names are those of the pipeline, after `map`."""

    id: str
    use: str
    stage: type[Stage]
    config: StageConfig
    resources: Resources
    after: tuple[str, ...]
    clauses: tuple[Clause, ...]
    renamed: Mapping[str, str]
    reads: tuple[str, ...]
    optional: tuple[str, ...]
    writes: tuple[str, ...]
    origin: str
    """Where it stands in the config, such as `configs/x.yaml:14`."""
    entry: str
    """The id of its entry in the config; it differs from `id` only in later rounds of a repeat block."""
    block: str = ""
    """The repeat block it was unrolled from, '' if none. The rounds of a block may write the same fields."""
    durable_option: bool | None = None
    """The option `durable` of the config; None if it is not given."""

    def accepts(self, values: Mapping[str, Any]) -> bool:
        """Whether a record, or a route, with these field values runs through this stage."""
        return all(clause.holds(values.get(clause.field)) for clause in self.clauses)

    @property
    def branches_out(self) -> bool:
        """Whether the stage makes new records."""
        return issubclass(self.stage, Expand | Combine)

    @property
    def durable(self) -> bool:
        """Whether its answers are stored. By default if a model, GPU or service makes them, or if they are not
        deterministic."""
        if self.durable_option is not None:
            return self.durable_option
        return bool(models_in(self.config)) or self.cost > 0 or not self.deterministic

    @property
    def deterministic(self) -> bool:
        """Whether the stage and its models give the same record the same answer every time."""
        return is_deterministic(self.stage, self.config)

    @property
    def bounds(self) -> dict[str, Any]:
        """The thresholds that a Filter's fingerprint leaves out, by option; {} for other stages."""
        if not issubclass(self.stage, Filter) or self.stage.bounds_in_fingerprint:
            return {}
        return {threshold.option: getattr(self.config, threshold.option) for threshold in self.stage.thresholds}

    def measured_by(self, score: str) -> str:
        """Who measures a score: the models that its threshold names, with weights and pins; else the stage's id."""
        own = next((name for name, field in self.renamed.items() if field == score), score)
        named = {threshold.by for threshold in self.stage.thresholds if threshold.score == own and threshold.by}
        models = [model for option in sorted(named) for model in models_in(getattr(self.config, option))]
        return " + ".join(model.revision for model in models) or self.id

    @property
    def hash_bits(self) -> dict[str, int]:
        """The number of bits of the hashes that it writes, by field."""
        by_name = self.stage.hash_bits(self.config)
        return {self.renamed.get(name, name): bits for name, bits in by_name.items()}

    @property
    def hash_makers(self) -> dict[str, tuple[str, ...]]:
        """The hashers of the hashes that it writes, or that it compares those it reads with, by field."""
        by_name = self.stage.hash_makers(self.config)
        return {self.renamed.get(name, name): makers for name, makers in by_name.items()}

    @property
    def gpu_memory_gb(self) -> float:
        """GPU memory of all its models together, as they declare it, in GiB."""
        return sum(model.gpu_memory_gb for model in models_in(self.config) if isinstance(model, WeightsConfig))

    @property
    def cost(self) -> int:
        """0 if it needs only cores, 1 for a GPU, 2 for a service."""
        remote = self.stage.remote or any(model.remote for model in models_in(self.config))
        return 2 if remote else int(self.resources.gpus > 0)


@dataclass(frozen=True)
class Graph:
    """A pipeline: its config, its source, and its nodes in the order in which they run."""

    loaded: Loaded
    source: Source
    nodes: tuple[Node, ...]
    catalogue: Mapping[str, Field]

    @property
    def score_writers(self) -> dict[str, str]:
        """Who measures each score, by field; `source` for scores that come with the data."""
        by = [("source", name) for name in self.source.writes]
        by += [(node.measured_by(name), name) for node in self.nodes for name in node.writes]
        return {name: who for who, name in by if self.catalogue[name].kind == "score"}

    @property
    def secret_variables(self) -> frozenset[str]:
        """The environment variables that the config names as keys: in its text, all profiles, and in defaults."""
        options = [node.config.model_dump(mode="json") for node in self.nodes]
        source = self.loaded.pipeline.source.model_dump(mode="json")
        return frozenset(variables_named_in([self.loaded.located.data, options, source]))


def ancestors(nodes: Iterable[Node]) -> dict[str, set[str]]:
    """The nodes that every node follows, directly or not, by id. `nodes` are in the order in which they run."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        found[node.id] = set(node.after).union(*(found[id] for id in node.after))
    return found
