"""How far a run is and what came of it, as plain lines."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from datagen.execute.engines.progress_events import Summary, Told
from datagen.execute.ledger.stage_counters import StageCounters

_LONGEST_ID = 100
_NEGLIGIBLE_SECONDS = 0.05


def line(told: Told) -> str:
    """How far a run is, in one line."""
    counts = told.counts
    parts = [
        f"{slices(told)}, {counts.sources:,} sources: "
        f"{counts.accepted:,} accepted, {sum(counts.rejected.values()):,} rejected, {counts.failed:,} failed"
    ]
    if told.rate is not None:
        parts.append(f"{rate(told.rate)} records/s")
    if told.bottleneck:
        parts.append(f"slowest is {told.bottleneck}{_busy(told)}")
    if spent := money(told.tokens, told.usd):
        parts.append(spent)
    if left := time_left(told):
        parts.append(left)
    return "; ".join(parts)


def slices(told: Told) -> str:
    """Slices that are done, of how many."""
    of = f" of {told.total:,}" if told.total is not None else ""
    before = f" ({told.before:,} before)" if told.before else ""
    return f"{told.slices + told.before:,}{of} slices{before}"


def time_left(told: Told) -> str:
    """How long it will still take, if that can be told."""
    return f"about {span(told.seconds_left)} left" if told.seconds_left else ""


def _busy(told: Told) -> str:
    busy = next((stage.busy for stage in told.stages if stage.stage == told.bottleneck), None)
    return "" if busy is None else f", {busy:.0%} busy"


def money(tokens: int, usd: float) -> str:
    """Tokens and money; nothing where nothing was charged."""
    return ", ".join([f"{tokens:,} tokens"] * bool(tokens) + [f"${usd:,.2f}"] * bool(usd))


def rate(value: float | None) -> str:
    """So many a second, in few digits."""
    return (
        "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    )


def span(seconds: float) -> str:
    """A while in words, in two units at most."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes / 1440:.1f} days"


def closing(summary: Summary, address: str) -> Iterator[str]:
    """What came out, where it is, and what to do next."""
    counts = summary.counts
    reused = summary.slices - summary.computed
    note = f", {reused:,} of {summary.slices:,} slices were done before" if reused else ""
    yield f"{counts.sources:,} sources became {counts.records:,} records in {_taken(summary.seconds)}{note}"
    yield f"  {counts.accepted:>9,} accepted"
    for reason, number in sorted(counts.rejected.items(), key=lambda item: -item[1]):
        yield f"  {number:>9,} rejected by {reason}"
    yield f"  {counts.failed:>9,} failed"
    yield from _stages(summary.stage_counters)
    yield ""
    if summary.waits_for:
        yield f"{address}: {summary.waits_for}"
        return
    yield from _place(summary, address)
    yield from _next(summary, shlex.quote(address))


def _taken(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else span(seconds)


def _stages(stage_counters: Mapping[str, StageCounters]) -> Iterator[str]:
    """What each stage did now, the slowest first, and what was spent in all."""
    did = {
        stage: counters
        for stage, counters in stage_counters.items()
        if counters.taken or counters.seconds >= _NEGLIGIBLE_SECONDS
    }
    if not did:
        return
    yield ""
    yield "time in stages, all workers together:"
    for stage, counters in sorted(did.items(), key=lambda item: -item[1].seconds):
        notes = [f"{counters.taken:,} in, {counters.passed:,} out"]
        notes += [f"{counters.reused:,} answers kept from before"] * bool(counters.reused)
        notes += [spent] if (spent := money(counters.tokens, counters.usd)) else []
        yield f"  {counters.seconds:>9,.1f} s  {stage}: {'; '.join(notes)}"
    spent = money(sum(one.tokens for one in did.values()), sum(one.usd for one in did.values()))
    if spent:
        yield f"  spent in this run: {spent}"


def _place(summary: Summary, address: str) -> Iterator[str]:
    splits = ", ".join(f"{number:,} {split}" for split, number in summary.splits.items() if number)
    shards = "shard" if summary.shards == 1 else "shards"
    yield f"{address}: {splits or 'no samples'} in {summary.shards} {shards}"


def _next(summary: Summary, out: str) -> Iterator[str]:
    if summary.counts.failed and summary.failed:
        yield f"some that failed:    {', '.join(printable(id) for id in summary.failed)}"
        yield f"why one failed:      python -m datagen show {out} {shlex.quote(printable(summary.failed[0]))}"
    if summary.counts.failed:
        yield f"try them again:      python -m datagen retry {out}"
    yield f"prove it whole:      python -m datagen verify {out}"
    if summary.example:
        yield f"look at one:         python -m datagen show {out} {shlex.quote(summary.example)}"


def printable(id: str) -> str:
    """An id as a terminal may show it: no control characters, and not too long."""
    shown = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in id[:_LONGEST_ID])
    return shown if len(id) <= _LONGEST_ID else f"{shown}..."
