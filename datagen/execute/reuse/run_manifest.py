"""Manifest of a run: its stages with their options, models and fingerprints, written when the run begins.

`plan` and `diff` compare manifests to say what changed since an earlier run, and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from datagen.core.errors import StoreError
from datagen.core.stage import Threshold
from datagen.execute.reuse.code_versions import Settled
from datagen.execute.reuse.fingerprints import dependencies, own_part
from datagen.pipeline.graph_model import Node
from datagen.storage.store import Store

LAST = "run/last.json"
"""File with the fingerprint of the run that began last, whether it ended or not."""
STAGES = "stages.json"
"""File in a run's ledger folder that describes its stages."""


class StageManifest(NamedTuple):
    """A stage of a run, as plain JSON data that later versions can read."""

    fingerprint: str
    about: Mapping[str, Any]


def enter_run(settled: Settled, *, rows: int | None = None) -> None:
    """Write the manifest of a run, when it begins. `rows` is how many rows of the source it takes, None for all."""
    context = settled.context
    stages = {id: {"fingerprint": stage.fingerprint, **stage.about} for id, stage in stages_of(settled).items()}
    context.store.write(stages_file(context.fingerprint), json.dumps(stages, indent=1, default=str).encode())
    # Last, so that whatever run it names has its description.
    context.store.write(LAST, json.dumps({"fingerprint": context.fingerprint, "rows": rows}).encode())


def stages_file(fingerprint: str) -> str:
    """Path of the file that describes the stages of a run."""
    return f"run/ledger/{fingerprint}/{STAGES}"


def last_run(store: Store) -> str:
    """Fingerprint of the run that began last; '' if there was none, or if the file is damaged."""
    name = _read_last(store).get("fingerprint")
    return name if isinstance(name, str) else ""


def rows_of_last_run(store: Store) -> int | None:
    """Rows of the source that the run that began last takes; None if it takes all, or if that is not known."""
    rows = _read_last(store).get("rows")
    return rows if isinstance(rows, int) and rows > 0 else None


def _read_last(store: Store) -> dict[str, Any]:
    try:
        found = json.loads(store.read(LAST))
    except (StoreError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_stages(store: Store, fingerprint: str) -> dict[str, StageManifest]:
    """The stages of an earlier run, by id; {} if its manifest is missing or damaged."""
    try:
        found = json.loads(store.read(stages_file(fingerprint)))
        sound = all(
            isinstance(about.get(name) or [], list) for about in found.values() for name in ("models", "upstream")
        )
        return {id: StageManifest(str(about.pop("fingerprint")), about) for id, about in found.items()} if sound else {}
    except (StoreError, ValueError, AttributeError, KeyError, RecursionError):
        return {}


def stages_of(settled: Settled) -> dict[str, StageManifest]:
    """The stages of a run, in the order in which they run."""
    context = settled.context
    upstream = dependencies(context.graph)
    return {
        node.id: StageManifest(context.stage_fingerprints[node.id], _describe(node, settled, upstream[node.id]))
        for node in context.graph.nodes
    }


def _describe(node: Node, settled: Settled, upstream: tuple[str, ...]) -> dict[str, Any]:
    return {
        **own_part(settled.context.graph, node.id),
        "rejects": list(node.stage.rejects),
        "thresholds": [threshold._asdict() for threshold in _thresholds(node)],
        "when": [str(clause) for clause in node.clauses],
        "after": list(node.after),
        "upstream": list(upstream),
        "durable": node.durable,
        "code": settled.codes[node.id],
    }


def _thresholds(node: Node) -> Iterator[Threshold]:
    """The thresholds of a stage, with the names that its score fields have in the pipeline."""
    for threshold in node.stage.thresholds:
        yield threshold._replace(score=node.renamed.get(threshold.score, threshold.score))


def changes(new: Mapping[str, StageManifest], old: Mapping[str, StageManifest]) -> dict[str, list[str]]:
    """The reasons for each stage whose fingerprint or thresholds changed, by id."""
    changed = {id for id, stage in new.items() if id not in old or old[id].fingerprint != stage.fingerprint}
    # A Filter's thresholds are options, but not part of its fingerprint.
    moved = {id for id in new.keys() - changed if new[id].about["options"] != old[id].about.get("options")}
    return {id: list(_reasons(new[id].about, old[id].about if id in old else None, changed)) for id in changed | moved}


def _reasons(new: Mapping[str, Any], old: Mapping[str, Any] | None, changed: set[str]) -> Iterator[str]:
    if old is None:
        yield "new stage"
        return
    found = [*_value_changes(new, old), *_upstream_changes(new, old, changed)]
    if not found and new["code"] != old.get("code"):
        found = ["its code changed"]
    yield from found or ["its results are set apart from earlier ones"]


def _value_changes(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    for name in ("use", "class", "version", "seed"):
        if new[name] != old.get(name):
            yield f"{name} {old.get(name)} -> {new[name]}"
    options = dict(leaves(new["options"])), dict(leaves(old.get("options")))
    for name in dict.fromkeys([*options[0], *options[1]]):
        one, other = (part.get(name, "nothing") for part in options)
        if one != other:
            yield f"option {name}: {other} -> {one}"
    for one, other in zip_longest(new["models"], old.get("models") or [], fillvalue="none"):
        if one != other:
            yield f"model revision {other} -> {one}"
    for name in ("map", "when", "reads", "optional", "writes"):
        if new[name] != old.get(name):
            yield f"{name}: {_format_value(old.get(name))} -> {_format_value(new[name])}"


def _upstream_changes(new: Mapping[str, Any], old: Mapping[str, Any], changed: set[str]) -> Iterator[str]:
    before = old.get("upstream") or []
    for id in new["upstream"]:
        if id not in before:
            yield f"depends on '{id}', which it did not"
        elif id in changed:
            yield f"depends on '{id}', which changed"
    for id in before:
        if id not in new["upstream"]:
            yield f"depends no longer on '{id}'"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted path of each leaf of nested options, with its value as JSON."""
    if isinstance(value, dict) and (value or not path):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, json.dumps(value, ensure_ascii=False)


def _format_value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} is {inner}" for name, inner in value.items()) or "none"
    return ", ".join(map(str, value or ())) or "none"
