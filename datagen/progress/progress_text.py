"""Progress and result of a run as text lines, and the formats of numbers in them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from datagen.execute.engines.progress_events import RunProgress, Summary
from datagen.execute.ledger.stage_counters import StageCounters

_LONGEST = 100
"""Characters of an id or message that are shown."""
_NEGLIGIBLE_SECONDS = 0.05


def progress_line(progress: RunProgress) -> str:
    """The progress of a run in one line."""
    counts = progress.counts
    parts = [
        f"{slices_text(progress)}, {counts.sources:,} sources: "
        f"{counts.accepted:,} accepted, {sum(counts.rejected.values()):,} rejected, {counts.failed:,} failed"
    ]
    if progress.rate is not None:
        parts.append(f"{format_rate(progress.rate)} records/s")
    if progress.bottleneck:
        parts.append(f"slowest is {progress.bottleneck}{_busy(progress)}")
    if spent := format_cost(progress.tokens, progress.usd):
        parts.append(spent)
    if left := time_left(progress):
        parts.append(left)
    return "; ".join(parts)


def slices_text(progress: RunProgress) -> str:
    """The number of finished slices, and of how many."""
    of = f" of {progress.total:,}" if progress.total is not None else ""
    before = f" ({progress.before:,} before)" if progress.before else ""
    return f"{progress.slices + progress.before:,}{of} slices{before}"


def time_left(progress: RunProgress) -> str:
    """The estimated time that is left; '' if unknown."""
    return f"about {format_duration(progress.seconds_left)} left" if progress.seconds_left else ""


def _busy(progress: RunProgress) -> str:
    busy = next((stage.busy for stage in progress.stages if stage.stage == progress.bottleneck), None)
    return "" if busy is None else f", {busy:.0%} busy"


def format_cost(tokens: int, usd: float) -> str:
    """Tokens and US dollars; '' if both are 0."""
    return ", ".join([f"{tokens:,} tokens"] * bool(tokens) + [f"${usd:,.2f}"] * bool(usd))


def format_rate(value: float | None) -> str:
    """A rate with about three digits; '' for None."""
    return (
        "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    )


def format_duration(seconds: float) -> str:
    """A duration in words, in at most two units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes / 1440:.1f} days"


def summary_lines(summary: Summary, address: str) -> Iterator[str]:
    """The result of a run: counts, times of stages, the place of the dataset, and the next commands."""
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
    return f"{seconds:.1f} s" if seconds < 60 else format_duration(seconds)


def _stages(stage_counters: Mapping[str, StageCounters]) -> Iterator[str]:
    """The counters of each stage in this run, slowest first, and the total cost."""
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
        notes += [spent] if (spent := format_cost(counters.tokens, counters.usd)) else []
        yield f"  {counters.seconds:>9,.1f} s  {stage}: {'; '.join(notes)}"
    spent = format_cost(sum(one.tokens for one in did.values()), sum(one.usd for one in did.values()))
    if spent:
        yield f"  spent in this run: {spent}"


def _place(summary: Summary, address: str) -> Iterator[str]:
    splits = ", ".join(f"{number:,} {split}" for split, number in summary.splits.items() if number)
    shards = "shard" if summary.shards == 1 else "shards"
    yield f"{address}: {splits or 'no samples'} in {summary.shards} {shards}"


def _next(summary: Summary, out: str) -> Iterator[str]:
    if summary.counts.failed and summary.failed:
        yield f"some that failed:    {', '.join(short_printable(id) for id in summary.failed)}"
        yield f"why one failed:      python -m datagen show {out} {shlex.quote(short_printable(summary.failed[0]))}"
    if summary.counts.failed:
        yield f"try them again:      python -m datagen retry {out}"
    yield f"prove it whole:      python -m datagen verify {out}"
    if summary.example:
        yield f"look at one:         python -m datagen show {out} {shlex.quote(summary.example)}"


def short_printable(text: str) -> str:
    """A text for a terminal: control characters escaped, at most 100 characters."""
    shown = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}..."
