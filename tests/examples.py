"""Real inputs for every stage of the shipped configs: small photographs sent through the pipelines themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tiny_configs
from building import context_of
from finished import finished, mixing

from datagen.core.record import Record
from datagen.core.stage import Failed, Reject, Stage
from datagen.execute.run import worker_context_of
from datagen.execute.workers.async_runner import AsyncRunner
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.slices import Job, Slice
from datagen.execute.workers.state import LiveRecord, SliceState
from datagen.execute.workers.worker import Worker
from datagen.fetch import read_file
from datagen.imaging.image import Image
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph, Node

CONFIGS = sorted(
    Path("configs").glob("*.yaml"), key=lambda path: (path.stem != "subject_add", path.stem == "all_named", path.stem)
)
"""The demo's first, that of all stages last: of several configs that use a stage, the first gives its example."""
PICTURES = {"rocket": 0.5, "coins": 0.6, "hubble": 0.4}
"""Pictures of the demo manifest, and how far they are scaled down."""


class Example(NamedTuple):
    """A stage of a shipped config, set up, and records as they reach it."""

    node: Node
    stage: Stage
    graph: Graph
    inputs: tuple[Record, ...]

    def __repr__(self) -> str:
        return f"{self.node.origin.partition(':')[0]}:{self.node.id}"


class Examples:
    """One example for each stage that a shipped config or one over tiny models uses.

    Pipelines run only until the stages that are looked up have been found, those over tiny models last: they need torch.
    """

    def __init__(self, folder: Path) -> None:
        self._graphs = _graphs(folder)
        self._found: dict[str, Example] = {}

    def get(self, use: str) -> Example | None:
        """The first example of a stage, by its name, that has inputs; else one without; None if no config uses it."""
        while use not in self._found or not self._found[use].inputs:
            graph = next(self._graphs, None)
            if graph is None:
                break
            for example in _of_graph(graph):
                if example.node.use not in self._found or not self._found[example.node.use].inputs:
                    self._found[example.node.use] = example
        return self._found.get(use)


def _graphs(folder: Path) -> Iterator[Graph]:
    manifest = small_manifest(folder)
    yield from (_shipped(config, manifest) for config in CONFIGS)
    yield from (build(load(make(folder, manifest), sets=["seed=0"])) for make in tiny_configs.MAKERS)


def _shipped(config: Path, manifest: Path) -> Graph:
    text = config.read_text()
    small = [f"source.path={manifest}"] if "kind: manifest" in text else []
    small += [mixing({"edit": finished(manifest.parent / "finished", limit=6)})] if "kind: mix" in text else []
    small += ["filter_foreground.min_ratio=0"] if "use: filter_foreground" in text else []
    sessions = 3 if "use: choose_route" in text else 2  # the third one takes another route
    small += [f"source={{count: {sessions}, width: 96, height: 96}}"] if "kind: world" in text else []
    # In a test of a Combine each record is a group of its own.
    small += ["gather_turns.min_turns=1"] if "use: gather_turns" in text else []
    return build(load(config, sets=[*small, "seed=0"]))


def _of_graph(graph: Graph) -> list[Example]:
    rows = tuple(graph.source.rows())
    state = SliceState.start(Job(Slice(0, rows)), catalogue=graph.catalogue)
    taken = []
    place = worker_context_of(context_of(graph, "memory://examples"))
    for operator in fuse(graph):
        worker = Worker(operator, place)
        worker.setup()
        for run in worker._runs:
            inputs = tuple(run.view(live) for live in state.live if run.node.accepts(live.record))
            taken.append(Example(run.node, run.stage, graph, inputs))
            run.run_slices([state], isolation=None)
            if isinstance(run, AsyncRunner):
                run.stop_loop()  # the loop alone: the stage is used on
            assert state.live, f"nothing is left for what follows {run.node.id}: {[row.detail for row in state.rows]}"
    return taken


def small_manifest(folder: Path) -> Path:
    """The demo's rows of a few pictures, all scaled down."""
    rows = [json.loads(line) for line in Path("manifests/demo.jsonl").read_text().splitlines()]
    path = folder / "small.jsonl"
    with path.open("w") as file:
        for row in rows:
            if row["id"] in PICTURES:
                file.write(json.dumps(_scaled(row, PICTURES[row["id"]], folder)) + "\n")
    return path


def _scaled(row: Mapping[str, Any], scale: float, folder: Path) -> dict[str, Any]:
    pixels = Image.decode(read_file(row["uri"], schemes=("package",), max_bytes=10**8)).array
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    (folder / f"{row['id']}.png").write_bytes(Image.of(np.ascontiguousarray(small, np.uint8)).encoded())
    objects = [
        {
            **thing,
            "box": [edge * scale for edge in thing["box"]],
            "polygons": [[[x * scale, y * scale] for x, y in polygon] for polygon in thing["polygons"]],
        }
        for thing in row["objects"][:4]
    ]
    return {**row, "uri": f"{row['id']}.png", "sha256": "", "objects": objects}


def plain_value(value: Any) -> Any:
    """A value as plain data that two runs can be compared by: pictures as 12 x 12 thumbnails, masks by their sums."""
    if isinstance(value, Reject):
        return ["reject", value.reason, plain_value(value.fields)]
    if isinstance(value, Failed):
        return ["failed", value.error]
    if isinstance(value, Image):
        return [
            list(value.size),
            *np.rint(cv2.resize(value.array, (12, 12), interpolation=cv2.INTER_AREA)).ravel().tolist(),
        ]
    if isinstance(value, np.ndarray):
        return [list(value.shape), float(value.sum()), *(float(part.sum()) for part in np.array_split(value, 8))]
    if isinstance(value, Mapping):
        return {str(name): plain_value(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain_value(item) for item in value]
    return value


def exact(value: Any) -> Any:
    """A value as something that is equal only if every pixel is."""
    if isinstance(value, Image):
        return value.array.tobytes()
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    if isinstance(value, Mapping):
        return {name: exact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    return value


__all__ = ["CONFIGS", "Example", "Examples", "LiveRecord", "exact", "plain_value"]
