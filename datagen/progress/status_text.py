"""The status of a run as text lines, for `status`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from datagen.execute.inspect.status import Status
from datagen.execute.ledger.lock import Holder
from datagen.execute.ledger.stage_counters import CountersByStage
from datagen.progress.progress_text import format_cost, format_duration, short_printable


def status_lines(status: Status, *, now: float | None = None) -> Iterator[str]:
    """The lines of a status, for a terminal; `now` is in seconds since 1970."""
    yield f"{status.pipeline} in {status.out}: {_state(status)}"
    for holder in status.drivers:
        yield f"  {_driver(holder, time.time() if now is None else now)}"
    yield f"fingerprint {status.fingerprint or 'not known'}"
    of = "" if status.slices is None else f" of {status.slices:,}"
    yield f"slices      {status.slices_done:,}{of} done"
    yield from _records(status)
    yield from _stages(status.stages)
    if spent := format_cost(status.tokens, status.usd):
        yield f"spent       {spent}"
    yield f"dataset     {_dataset(status)}"
    yield from (f"note        {note}" for note in status.notes)
    if status.next:
        yield f"next        {status.next}"


def _state(status: Status) -> str:
    if status.state == "unfinished":
        return "not finished, and nobody is at it"
    return status.state


def _driver(holder: Holder, now: float) -> str:
    share = holder.lock.rpartition("/")[2].replace("-of-", "/")
    what = {"lock": "holds it", "pack": "packs"}.get(share, f"takes share {share}")
    begun = "" if holder.begun is None else f", for {format_duration(max(now - holder.begun, 0))}"
    return f"process {holder.pid} on {holder.host} {what}{begun}, seen {max(now - holder.seen, 0):.0f} s ago"


def _records(status: Status) -> Iterator[str]:
    counts = status.counts
    yield (
        f"records     {counts.records:,} of {counts.sources:,} sources: {counts.accepted:,} accepted, "
        f"{sum(counts.rejected.values()):,} rejected, {counts.failed:,} failed"
    )
    for reason, number in sorted(counts.rejected.items(), key=lambda item: -item[1]):
        yield f"  {number:>9,} rejected by {reason}"
    for failure in status.failures:
        id = short_printable(failure.example)
        yield f"  {failure.records:>9,} failed in {failure.stage}, such as {id}: {short_printable(failure.error)}"


def _stages(stages: CountersByStage) -> Iterator[str]:
    did = {id: counters for id, counters in stages.items() if counters.taken}
    if did:
        yield "stages, all workers together:"
    for id, counters in did.items():
        lost = [f"{counters.rejected:,} rejected"] * bool(counters.rejected)
        lost += [f"{counters.failed:,} failed"] * bool(counters.failed)
        numbers = ", ".join([f"{counters.taken:,} in", f"{counters.passed:,} out", *lost])
        yield f"  {counters.seconds:>9,.1f} s  {id}: {numbers}"


def _dataset(status: Status) -> str:
    packed = status.dataset
    if packed.state == "none":
        return "not packed yet"
    if packed.state == "damaged":
        return "its dataset.json is damaged"
    shards = "shard" if packed.shards == 1 else "shards"
    whose = "of this run" if packed.state == "current" else f"of an earlier state, fingerprint {packed.fingerprint}"
    return f"{packed.samples:,} samples in {packed.shards:,} {shards}, {whose}"
