"""Runs a pipeline on drawn sessions and measures its answers against their truth."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pyarrow as pa

from datagen.core.errors import ConfigError, SetupError
from datagen.core.options import Options
from datagen.execute.engines.progress_events import RunObserver
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.reuse.run_manifest import last_run
from datagen.execute.run import RunOptions, run
from datagen.measure.alignment import (
    AlignmentAccuracy,
    AlignmentCase,
    AlignmentOptions,
    alignment_accuracy,
    alignment_cases,
)
from datagen.measure.boxes import BoxCase, BoxModels, BoxShares, box_cases, box_shares
from datagen.measure.conflicts import ConflictAccuracy, ConflictCase, conflict_accuracy, conflict_cases
from datagen.measure.ledger_view import LedgerView, view_ledger
from datagen.measure.samples import Regions, SampleShares, StoredEdits, WindowCase, sample_shares, window_case
from datagen.measure.truth import TrueSession, true_sessions
from datagen.models.dense_encoders.efficientnet_lite import EfficientNetLiteConfig
from datagen.models.similarities.embedding import EmbeddingSimilarity
from datagen.pipeline.graph_model import Graph, Node
from datagen.shards.reader import Sample, open_dataset
from datagen.sources.base import Source
from datagen.sources.drawn.world import WorldConfig
from datagen.storage.store import Store
from datagen.worlds.damage import HELD_OUT, DamageKind
from datagen.worlds.photographs import Split

NEEDED = (
    "render_turn",
    "decompose_instruction",
    "propose_boxes",
    "select_box",
    "gather_turns",
    "judge_session",
    "merge_turns",
)
"""Stages whose answers are measured."""
TUNED_DAMAGES: tuple[DamageKind, ...] = ("none", "drift", "shift", "grain", "halo")
STRENGTHS = (1.0, 2.0)
SLICE_ROWS = 12
"""Rows of a slice, few enough that the stages of boxes share the maps of its turns."""
SIMILAR_TURNS = 60
"""About as many turns are compared by the published rule with a network, which takes seconds a turn."""
ENCODER = "EfficientNet-Lite0"
CLIP = "CLIP"


class Part(NamedTuple):
    """One run of the pipeline over drawn sessions of one wording."""

    wording: Split
    graph: Graph
    world: WorldConfig


@dataclass(frozen=True)
class WordingResults:
    """What was measured with one wording."""

    wording: Split
    sessions: int
    """Those that could be rendered."""
    turns: int
    turns_judged: int
    """Turns that came to the judge of sessions."""
    conflicts: list[ConflictAccuracy]
    alignment: AlignmentAccuracy | None
    """None if the pipeline has no filter of alignment."""
    samples: SampleShares


@dataclass(frozen=True)
class Measurement:
    """What was measured, on which worlds."""

    pipeline: str
    split: Split
    sessions: int
    seed: int
    photographs: list[str]
    damages: list[str]
    strengths: list[float]
    boxes: list[BoxShares]
    results: list[WordingResults]
    """By wording; that of the split is the first."""
    not_measured: dict[str, str]
    """What was left out, and why."""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def measure(
    graph: Graph,
    *,
    sessions: int,
    seed: int,
    split: Split,
    encoder: EfficientNetLiteConfig | None,
    watcher: RunObserver,
) -> Measurement:
    """Measure a pipeline on `sessions` sessions of each wording, drawn with photographs and damage of `split`.

    With held-out photographs, held-out and tuned wording are measured side by side. The pipeline runs in this process
    and in a temporary folder, which is always removed. `encoder` compares pictures for the box rules; None, or one
    whose package is missing, is not measured.

    Raises `ConfigError` if the source is no `world`, a stage is missing, or the split has no photographs or wording.
    """
    begun = time.perf_counter()
    check_measurable(graph)
    models, not_measured = load_models(encoder)
    wordings: tuple[Split, ...] = ("held_out", "tuned") if split == "held_out" else ("tuned",)
    boxes: list[BoxCase] = []
    results: list[WordingResults] = []
    photographs: set[str] = set()
    parts = [_part(graph, sessions=sessions, seed=seed, split=split, wording=wording) for wording in wordings]
    for part in parts:
        first = part is parts[0]  # wording decides nothing about boxes
        found = _measure_part(part, watcher=watcher, models=models if first else None, compare_boxes=first)
        boxes += found.boxes
        photographs |= found.photographs
        results.append(found.results)
    return Measurement(
        pipeline=graph.loaded.pipeline.pipeline,
        split=split,
        sessions=sessions,
        seed=seed,
        photographs=sorted(photographs),
        damages=list(parts[0].world.damages),
        strengths=list(STRENGTHS),
        boxes=box_shares(boxes),
        results=results,
        not_measured=not_measured,
        notes=list(_notes(graph, photographs=len(photographs), lost=sessions - results[0].sessions)),
        seconds=round(time.perf_counter() - begun, 1),
    )


def check_measurable(graph: Graph) -> None:
    """Raise `ConfigError` if the pipeline has no truth, or lacks a stage whose answers are measured."""
    source = graph.loaded.pipeline.source
    where = graph.loaded.located.origin(("source", "kind"))
    if not isinstance(source, WorldConfig):
        raise ConfigError(
            f"{where}: the source is of kind '{source.kind}', whose truth is not known; `measure` needs drawn "
            "sessions: `kind: world`, as in configs/world_complex_edit.yaml"
        )
    missing = [name for name in NEEDED if _node(graph, name) is None]
    if missing:
        raise ConfigError(f"{where}: to be measured, the pipeline lacks the stages {', '.join(missing)}")


def load_models(encoder: EfficientNetLiteConfig | None) -> tuple[BoxModels | None, dict[str, str]]:
    """The network for the box rules, None if it cannot be loaded, and why what is not measured is not."""
    missing = {CLIP: "no package that is installed brings its weights"}
    if encoder is None:
        return None, {ENCODER: "it was left out", **missing}
    try:
        loaded = encoder.load("cpu")
    except SetupError as error:
        return None, {ENCODER: str(error), **missing}
    return BoxModels(ENCODER, loaded, EmbeddingSimilarity(loaded)), missing


def _part(graph: Graph, *, sessions: int, seed: int, split: Split, wording: Split) -> Part:
    """The pipeline with a source of its own: the config's look and size; count, splits and damage as is measured."""
    config = graph.loaded.pipeline.source
    assert isinstance(config, WorldConfig)
    damages = HELD_OUT if split == "held_out" else TUNED_DAMAGES
    given: dict[str, Any] = {"count": sessions, "seed": seed, "split": split, "wording": wording}
    world = WorldConfig.model_validate({**config.model_dump(), **given, "damages": damages, "strengths": STRENGTHS})
    source: Source = world.load()
    source.check()
    pipeline = graph.loaded.pipeline.model_copy(update={"source": world, "slice_size": SLICE_ROWS})
    return Part(wording, replace(graph, source=source, loaded=graph.loaded._replace(pipeline=pipeline)), world)


class _PartResults(NamedTuple):
    boxes: list[BoxCase]
    photographs: set[str]
    results: WordingResults


@dataclass
class _Cases:
    boxes: list[BoxCase] = field(default_factory=list)
    conflicts: list[ConflictCase] = field(default_factory=list)
    alignment: list[AlignmentCase] = field(default_factory=list)
    windows: list[WindowCase] = field(default_factory=list)


def _measure_part(part: Part, *, watcher: RunObserver, models: BoxModels | None, compare_boxes: bool) -> _PartResults:
    cases, photographs, number, turns, judged = _Cases(), set[str](), 0, 0, 0
    options = _alignment_options(part.graph)
    with tempfile.TemporaryDirectory(prefix="datagen-measure-") as out:
        run(part.graph, out=out, options=RunOptions("local"), watcher=watcher)
        store = Store(out)
        ledger = Ledger(store, last_run(store))
        view = view_ledger(pa.concat_tables(ledger.tables(ledger.slices())).to_pylist())
        samples = {sample.key: sample for sample in open_dataset(out)}
        every = max(1, part.world.count * part.world.turns // SIMILAR_TURNS)
        for number, session in enumerate(true_sessions(part.graph.source.rows()), 1):
            photographs.add(session.photograph)
            turns, judged = turns + len(session.turns), judged + len(view.seen(session.name))
            if compare_boxes:
                cases.boxes += box_cases(session, view, models=models, similar=number % every == 0)
            _add_windows(cases, session, view, samples, part.graph, options)
    return _PartResults(
        cases.boxes,
        photographs,
        WordingResults(
            wording=part.wording,
            sessions=number,
            turns=turns,
            turns_judged=judged,
            conflicts=conflict_accuracy(cases.conflicts),
            alignment=alignment_accuracy(cases.alignment, most=options.most) if options else None,
            samples=sample_shares(cases.windows),
        ),
    )


def _add_windows(
    cases: _Cases,
    session: TrueSession,
    view: LedgerView,
    samples: Mapping[str, Sample],
    graph: Graph,
    options: AlignmentOptions | None,
) -> None:
    merge: Any = _config_of(graph, "merge_turns")
    least, most = merge.min_turns, merge.max_turns
    cases.conflicts += conflict_cases(session, view, least=least, most=most)
    if options:
        cases.alignment += alignment_cases(session, view, options=options)
    regions = _regions(graph, options)
    for window in session.windows(least=least, most=most):
        row = view.windows.get(window)
        sample = samples.get(row.key) if row and row.status == "accepted" else None
        cases.windows.append(window_case(session, window, view, _stored(sample) if sample else None, regions=regions))


def _stored(sample: Sample) -> StoredEdits:
    return StoredEdits(sample.info["edits"], sample.source, sample.target, sample.masks[0])


def _regions(graph: Graph, options: AlignmentOptions | None) -> Regions:
    paste: Any = _config_of(graph, "paste_back")
    # a soft edge is measured by an approximate distance
    grown = paste.grow_px + paste.feather_px + bool(paste.feather_px) if paste else 0
    return Regions(grown, options.most if options else None)


def _alignment_options(graph: Graph) -> AlignmentOptions | None:
    node = _node(graph, "filter_alignment")
    if node is None:
        return None
    config: Any = node.config
    order = [each.use for each in graph.nodes]
    of_turns = order.index("filter_alignment") < order.index("merge_turns")
    return AlignmentOptions(node.renamed.get("shift", "shift"), config.max_shift, of_turns)


def _node(graph: Graph, use: str) -> Node | None:
    return next((node for node in graph.nodes if node.use == use), None)


def _config_of(graph: Graph, use: str) -> Options | None:
    node = _node(graph, use)
    return node.config if node else None


def _notes(graph: Graph, *, photographs: int, lost: int) -> Iterator[str]:
    if lost:
        yield f"{lost:,} sessions cannot be rendered, and are not measured"
    if photographs < 3:
        yield f"the sessions show {photographs} photographs: fewer than 3, so there are no intervals"
    order: Sequence[str] = [node.use for node in graph.nodes]
    filter_, paste = _node(graph, "filter_alignment"), _node(graph, "paste_back")
    late = filter_ and paste and order.index("filter_alignment") > order.index("paste_back")
    if filter_ and paste and late and filter_.renamed.get("target", "target") in paste.writes:
        yield "filter_alignment judges targets into which the source was pasted back, so it sees little of a shift"
