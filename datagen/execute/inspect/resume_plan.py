"""`plan` for an existing OUT: what a run would find done, what it would reuse, what it would compute and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from datagen.core.errors import StoreError
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.reuse.answer_cache import CHECKPOINTS, SUFFIX
from datagen.execute.reuse.code_versions import Settled
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.reuse.run_manifest import changes, last_run, read_stages, stages_of
from datagen.execute.run import refuse_foreign
from datagen.execute.workers.slices import cut
from datagen.storage.store import Store

NOT_DURABLE = "no answers are kept for it (not durable): it runs again where a slice is not committed"


@dataclass
class StagePlan:
    """What a run would do at one stage."""

    id: str
    fingerprint: str
    state: Literal["done", "reused", "to do"]
    """'reused' if the stage is not called, because all its answers are stored."""
    kept: int
    """Slices that are not committed, but have stored answers of the stage."""
    why: list[str]
    """Why the stage has to run, or what changed since the last run."""


@dataclass
class ResumePlan:
    """What a run would do."""

    out: str
    fingerprint: str
    begun: bool
    """Whether OUT has an earlier run."""
    slices: int = 0
    rows: int = 0
    done_slices: int = 0
    done_rows: int = 0
    new_slices: int = 0
    """Slices that the last finished run did not have, because rows were added or changed."""
    stages: list[StagePlan] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    salts: Mapping[str, str] = field(default_factory=dict)
    """By stage, the salt with which `--code rerun` separates its results from those of older code."""


def plan_resume(settled: Settled, *, out: str) -> ResumePlan:
    """Compare a run with what OUT has. Reads all rows of the source; writes nothing.

    `out` is the name of OUT in the result. Raises `ConfigError` if OUT belongs to another pipeline.
    """
    context, store = settled.context, settled.context.store
    refuse_foreign(store, context.graph)
    last = last_run(store)
    found = ResumePlan(out, context.fingerprint, begun=bool(last), notes=settled.notes, salts=context.salts)
    todo = _count_slices(context, found, known=_dataset_slices(store, last))
    old = read_stages(store, last) if last else {}
    why = changes(stages_of(settled), old) if old else {}
    for node in context.graph.nodes:
        print = context.stage_fingerprints[node.id]
        kept = len(todo & _cached_slices(store, print)) if todo and node.durable else 0
        state: Literal["done", "reused", "to do"] = (
            "done" if not todo else "reused" if node.durable and kept == len(todo) else "to do"
        )
        reasons = [*why.get(node.id, []), *([NOT_DURABLE] if state == "to do" and not node.durable else [])]
        found.stages.append(StagePlan(node.id, print, state, kept, reasons))
    return found


def _dataset_slices(store: Store, last: str) -> set[str] | None:
    """The slices of the dataset of the last run; None if it made no dataset."""
    try:
        return set(Ledger(store, last).slices()) if last else None
    except StoreError:
        return None


def _count_slices(context: RunContext, found: ResumePlan, *, known: set[str] | None) -> set[str]:
    """Count slices and rows into `found`; returns the names of the slices that are not committed."""
    pipeline = context.graph.loaded.pipeline
    committed = Ledger(context.store, context.fingerprint).listing().locations
    todo: set[str] = set()
    for part in cut(context.graph.source, size=pipeline.slice_size, group_by=pipeline.source.group_by):
        name = part.name
        found.slices += 1
        found.rows += len(part.rows)
        if name in committed:
            found.done_slices += 1
            found.done_rows += len(part.rows)
        else:
            todo.add(name)
        found.new_slices += known is not None and name not in known
    return todo


def _cached_slices(store: Store, fingerprint: str) -> set[str]:
    """The slices that have stored answers of a stage."""
    return {name.partition(".")[0] for name in store.names(f"{CHECKPOINTS}/{fingerprint}") if name.endswith(SUFFIX)}


def resume_plan_text(found: ResumePlan) -> str:
    """Format a plan for a terminal."""
    return "\n".join(_lines(found))


def _lines(found: ResumePlan) -> Iterator[str]:
    yield f"into {found.out}{'' if found.begun else ' (nothing was run into it yet)'}:"
    left = found.slices - found.done_slices
    yield (
        f"  {found.slices} slices of {found.rows} rows: {found.done_slices} done ({found.done_rows} rows), "
        f"{left} to do ({found.rows - found.done_rows} rows)"
    )
    if found.new_slices:
        yield f"  {found.new_slices} slices are new: rows were added or changed"
    width = max(len(stage.id) for stage in found.stages)
    for stage in found.stages:
        kept = f", answers kept for {stage.kept} of {left} slices" if stage.state == "to do" and stage.kept else ""
        yield f"  {stage.id:<{width}}  {stage.state}{kept}{': ' if stage.why else ''}{'; '.join(stage.why)}"
    yield from (f"  {note}" for note in found.notes)
