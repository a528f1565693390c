"""Under which licences a pipeline's models and pictures are, and whether these forbid commercial use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from datagen.config import stage_places
from datagen.licenses import Standing, known_as, standing, told_at
from datagen.models.base import ModelConfig, placed_models
from datagen.nodes import Graph, Node

_GATE = "license_forbids"
"""A stage that rejects for this lets no picture pass that is not allowed."""


class Licensed(NamedTuple):
    """A model, or pictures, and what their licence says of commercial use."""

    where: str
    """Such as `configs/x.yaml:14`."""
    what: str
    license: str
    """'' where none is stated."""
    standing: Standing
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
    """The licences of all models, then of the source's rows.

    Rows are read, all of them, unless a stage without `when` rejects what is not
    allowed. What `allow` names counts as allowed, whatever is known of it.
    """
    found = [*_of_models(graph), *([] if any(map(_is_gate, graph.nodes)) else _of_rows(graph))]
    allowed = {known_as(name).lower() for name in allow}
    return [
        row._replace(standing="allowed") if row.license and row.license.lower() in allowed else row for row in found
    ]


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


def _of_rows(graph: Graph) -> Iterator[Licensed]:
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for row in graph.source.rows():
        if not row.error:
            name = known_as(str(row.fields.get("license") or ""))
            counts[name] += 1
            first.setdefault(name, row.id)
    where = graph.loaded.located.origin(("source", "path"))
    total = sum(counts.values())
    for name, count in sorted(counts.items()):
        what = f"the source: {count:,} of {total:,} pictures, such as '{first[name]}'"
        remedy = "put the stage `filter_license` first, which rejects them one by one"
        yield _licensed(where, what, name, remedy=remedy)


def _licensed(where: str, what: str, license: str, *, remedy: str) -> Licensed:
    name = known_as(license)
    return Licensed(where, what, name, standing(name), told_at(name), remedy)


def _is_gate(node: Node) -> bool:
    """Whether no picture passes a stage that is not allowed."""
    kept = {*getattr(node.config, "keep", ("unknown",))}
    return _GATE in node.stage.rejects and not node.clauses and kept <= {"allowed", "conditions"}
