"""What runs into an OUT consisted of, so that a later plan can tell what changed and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from datagen.core.errors import StoreError
from datagen.core.stage import Threshold
from datagen.execute.reuse.code_versions import Settled
from datagen.execute.reuse.fingerprints import dependencies, own_part
from datagen.pipeline.graph_model import Node
from datagen.storage.store import Store

LAST = "run/last.json"
"""Names the run that was begun last, ended or not."""
STAGES = "stages.json"
"""In a run's ledger folder: what its stages were."""


class Told(NamedTuple):
    """A stage of a run, as plain data that later versions can read."""

    fingerprint: str
    about: Mapping[str, Any]


def enter_run(settled: Settled, *, rows: int | None = None) -> None:
    """Note what a run consists of, and how many rows of the source it takes if not all; done when it begins."""
    context = settled.context
    stages = {id: {"fingerprint": stage.fingerprint, **stage.about} for id, stage in stages_of(settled).items()}
    context.store.write(stages_file(context.fingerprint), json.dumps(stages, indent=1, default=str).encode())
    context.store.write(LAST, json.dumps({"fingerprint": context.fingerprint, "rows": rows}).encode())


def stages_file(fingerprint: str) -> str:
    """Where a run's stages are noted."""
    return f"run/ledger/{fingerprint}/{STAGES}"


def last_run(store: Store) -> str:
    """Fingerprint of the run that was begun last; '' if none was, or if the note of it is damaged."""
    name = _last(store).get("fingerprint")
    return name if isinstance(name, str) else ""


def rows_of_last_run(store: Store) -> int | None:
    """Rows of the source that the run begun last takes; None if that is all, or not known."""
    rows = _last(store).get("rows")
    return rows if isinstance(rows, int) and rows > 0 else None


def _last(store: Store) -> dict[str, Any]:
    try:
        found = json.loads(store.read(LAST))
    except (StoreError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_stages(store: Store, fingerprint: str) -> dict[str, Told]:
    """The stages that a run had, by id; {} if that is not known, or if the note of it is damaged."""
    try:
        found = json.loads(store.read(stages_file(fingerprint)))
        sound = all(
            isinstance(about.get(name) or [], list) for about in found.values() for name in ("models", "upstream")
        )
        return {id: Told(str(about.pop("fingerprint")), about) for id, about in found.items()} if sound else {}
    except (StoreError, ValueError, AttributeError, KeyError, RecursionError):
        return {}


def stages_of(settled: Settled) -> dict[str, Told]:
    """The stages of a run, in the order in which they run."""
    context = settled.context
    upstream = dependencies(context.graph)
    return {
        node.id: Told(context.stage_fingerprints[node.id], _about(node, settled, upstream[node.id]))
        for node in context.graph.nodes
    }


def _about(node: Node, settled: Settled, upstream: tuple[str, ...]) -> dict[str, Any]:
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
    """Under the pipeline's names of fields."""
    for threshold in node.stage.thresholds:
        yield threshold._replace(score=node.renamed.get(threshold.score, threshold.score))


def changes(new: Mapping[str, Told], old: Mapping[str, Told]) -> dict[str, list[str]]:
    """For each stage whose fingerprint, or what it judges by, is another than it was: why."""
    changed = {id for id, stage in new.items() if id not in old or old[id].fingerprint != stage.fingerprint}
    moved = {id for id in new.keys() - changed if new[id].about["options"] != old[id].about.get("options")}
    return {id: list(_why(new[id].about, old[id].about if id in old else None, changed)) for id in changed | moved}


def _why(new: Mapping[str, Any], old: Mapping[str, Any] | None, changed: set[str]) -> Iterator[str]:
    if old is None:
        yield "new stage"
        return
    found = [*_values(new, old), *_upstream(new, old, changed)]
    if not found and new["code"] != old.get("code"):
        found = ["its code changed"]
    yield from found or ["its results are set apart from earlier ones"]


def _values(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    for name in ("use", "class", "version", "seed"):
        if new[name] != old.get(name):
            yield f"{name} {old.get(name)} -> {new[name]}"
    options = dict(leaves(new["options"])), dict(leaves(old.get("options")))
    for name in dict.fromkeys([*options[0], *options[1]]):
        one, other = (part.get(name, "nothing") for part in options)
        if one != other:
            yield f"option {name}: {other} -> {one}"
    for one, other in _paired(new["models"], old.get("models")):
        if one != other:
            yield f"model revision {other} -> {one}"
    for name in ("map", "when", "reads", "optional", "writes"):
        if new[name] != old.get(name):
            yield f"{name}: {_told(old.get(name))} -> {_told(new[name])}"


def _upstream(new: Mapping[str, Any], old: Mapping[str, Any], changed: set[str]) -> Iterator[str]:
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
    """The leaves of nested options, by their dotted path, as YAML would spell them."""
    if isinstance(value, dict) and (value or not path):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, json.dumps(value, ensure_ascii=False)


def _paired(new: Any, old: Any) -> Iterator[tuple[str, str]]:
    one, other = list(new), list(old or [])
    for index in range(max(len(one), len(other))):
        yield (one[index] if index < len(one) else "none"), (other[index] if index < len(other) else "none")


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} is {inner}" for name, inner in value.items()) or "none"
    return ", ".join(map(str, value or ())) or "none"
