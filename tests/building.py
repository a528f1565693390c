"""What tests build with: manifests, configs and runs in a temporary folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from datagen.execute.engines.progress_events import RunProgress, Summary
from datagen.execute.ledger.ledger import SCHEMA, Ledger
from datagen.execute.ledger.ledger_audit import dropped_tables
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.run import RunOptions, run
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph
from datagen.shards.index import read_dataset
from datagen.storage.store import Store

PAINT = {"use": "paint"}
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The fast one, where PyYAML has it: hundreds of tests write a config."""


class Quiet:
    """Listens to a run and keeps what it heard."""

    stopping = False

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.slices = 0

    def notify(self, text: str) -> None:
        self.messages.append(text)

    def on_progress(self, message: RunProgress) -> None:
        self.slices = message.slices


def write_manifest(path: Path, rows: Iterable[Mapping[str, Any] | str]) -> Path:
    """A manifest; a row that is text is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def plain_rows(number: int) -> list[dict[str, Any]]:
    """Rows that need no picture."""
    return [
        {"id": f"r{n}", "uri": f"nowhere/{n}.png", "caption": f"c{n}", "sha256": f"{n:064x}"} for n in range(number)
    ]


def toy_config(folder: Path, stages: list[Any], *, rows: Iterable[Mapping[str, Any] | str] = (), **keys: Any) -> Path:
    """A config of toy stages over a manifest of `rows`."""
    manifest = write_manifest(folder / "manifest.jsonl", rows or plain_rows(8))
    data = {
        "pipeline": "toy",
        "plugins": ["toys"],
        "source": {"kind": "manifest", "path": str(manifest)},
        "slice_size": 3,
        "stages": stages,
        **keys,
    }
    path = folder / "toy.yaml"
    path.write_text(yaml.dump(data, Dumper=DUMPER, sort_keys=False), encoding="utf-8")
    return path


def toy_graph(folder: Path, stages: list[Any], **keys: Any) -> Graph:
    """The graph of such a config."""
    return build(load(toy_config(folder, stages, **keys)))


def graph_beside(out: Path) -> Graph:
    """The graph of the toy config that lies beside OUT, also of a copy of both: it goes on naming the first manifest."""
    return build(load(out.parent / "toy.yaml"))


def context_of(graph: Graph, out: Path | str = "memory://toys") -> RunContext:
    """What a run of the graph into `out` goes by, before any stage's code changed."""
    return RunContext.of(graph, store=Store(str(out)))


def run_fingerprint(graph: Graph, *, salts: Mapping[str, str] | None = None) -> str:
    """Of a run of the graph."""
    return RunContext.of(graph, store=Store("memory://toys"), salts=salts).fingerprint


def run_local(graph: Graph, out: Path, *, limit: int | None = None) -> Summary:
    """Run in this process."""
    return run(graph, out=str(out), options=RunOptions("local", limit), watcher=Quiet())


def ledger_rows(out: Path) -> dict[str, dict[str, Any]]:
    """What became of every record, by id."""
    store = Store(str(out))
    ledger = Ledger(store, read_dataset(store).fingerprint)
    dropped = dropped_tables(ledger, columns=SCHEMA.names)
    return {row["id"]: row for table in (*ledger.tables(ledger.slices()), *dropped) for row in table.to_pylist()}


def dataset_bytes(out: Path) -> dict[str, bytes]:
    """Every file of the dataset proper, by name; what lies under run/ and report/ is not part of it."""
    files = [
        path for path in out.rglob("*") if path.is_file() and path.relative_to(out).parts[0] not in ("run", "report")
    ]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}
