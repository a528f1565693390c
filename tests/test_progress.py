"""What is told of a run: rates, the bottleneck, the time left, the panel, the lines, the log, the summary."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from building import PAINT, Quiet, plain_rows, run_local, toy_config, toy_graph
from fsspec.implementations.memory import MemoryFileSystem
from rich.console import Console
from typer.testing import CliRunner

from datagen import cli
from datagen.execute.engines.progress_events import EngineEvent, RunProgress, StageProgress, Summary
from datagen.execute.engines.throughput import Throughput
from datagen.execute.ledger.ledger import Counts
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.run import RunOptions, run
from datagen.execute.workers.commit import CommitReport
from datagen.execute.workers.operators import fuse
from datagen.progress import Watcher
from datagen.progress.log import KEPT_BYTES, LOG, MOST_BYTES, RunLog, redact
from datagen.progress.panel import Panel
from datagen.progress.progress_text import format_duration, progress_line, summary_lines


class Clock:
    """Time as the test has it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def date(self) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) + timedelta(seconds=self.seconds - 100)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _report(records: int) -> CommitReport:
    return CommitReport("s", Counts(sources=1, accepted=records))


def _pace(folder: Path, clock: Clock) -> Throughput:
    """Of three operators: two stages on a core, a service with four calls at once, one more on a core."""
    stages = [{"use": "sift"}, {"use": "fan_out"}, {"use": "ask", "resources": {"concurrency": 4}}, PAINT]
    return Throughput(fuse(toy_graph(folder, stages)), clock=clock)


def _stages(message: RunProgress) -> dict[str, StageProgress]:
    return {stage.stage: stage for stage in message.stages}


def test_rates_and_busy_shares_are_those_of_the_window(tmp_path: Path, clock: Clock) -> None:
    pace = _pace(tmp_path, clock)
    workers = {"sift": 2, "fan_out": 2, "ask": 1, "paint": 1}
    for second in range(1, 101):
        clock.seconds = 100 + second
        fast = second <= 50
        did = {"sift": StageCounters(10 if fast else 2, seconds=1.0), "ask": StageCounters(1, seconds=2.0)}
        pace.add_event(EngineEvent(did, workers=workers))
    stages = _stages(pace.progress(Counts(), slices=0))
    assert stages["sift"].rate == pytest.approx(2.0), "what was fast 50 s ago no longer counts"
    assert stages["sift"].busy == pytest.approx(0.5), "a second a second, shared by two workers"
    assert stages["ask"].busy == pytest.approx(0.5), "two seconds a second, of the four that a service may take"
    assert (stages["paint"].rate, stages["paint"].busy) == (None, None)
    assert stages["sift"].counters.taken == 600
    assert stages["sift"].workers == 2


def test_rates_fall_while_nothing_is_heard(tmp_path: Path, clock: Clock) -> None:
    pace = _pace(tmp_path, clock)
    for second in (1, 2, 3):
        clock.seconds = 100 + second
        pace.add_event(EngineEvent({"sift": StageCounters(10)}))
    assert _stages(pace.progress(Counts(), slices=0))["sift"].rate == pytest.approx(10.0)
    clock.seconds = 111
    assert _stages(pace.progress(Counts(), slices=0))["sift"].rate == pytest.approx(2.0)


def test_the_bottleneck_is_the_slowest_stage_of_the_busiest_workers(tmp_path: Path, clock: Clock) -> None:
    pace = _pace(tmp_path, clock)
    assert pace.progress(Counts(), slices=0).bottleneck == "", "nothing is known yet"
    workers = {"sift": 1, "fan_out": 1, "ask": 1, "paint": 2}
    did = {"sift": 0.4, "fan_out": 0.5, "ask": 3.0, "paint": 1.2}  # 0.9 of one, 3 of 4 calls, 1.2 of two
    for second in range(1, 20):
        clock.seconds = 100 + second
        pace.add_event(
            EngineEvent({stage: StageCounters(1, seconds=seconds) for stage, seconds in did.items()}, workers=workers)
        )
    assert pace.progress(Counts(), slices=0).bottleneck == "fan_out"


def test_of_operators_that_never_rest_the_last_is_the_bottleneck(tmp_path: Path, clock: Clock) -> None:
    pace = _pace(tmp_path, clock)
    for second in range(1, 20):
        clock.seconds = 100 + second
        did = {"sift": StageCounters(1, seconds=1.0), "paint": StageCounters(1, seconds=0.95)}
        pace.add_event(EngineEvent(did, workers={"sift": 1, "fan_out": 1, "ask": 1, "paint": 1}))
    assert pace.progress(Counts(), slices=0).bottleneck == "paint", "what stands before it works ahead"


def test_a_call_that_is_not_done_keeps_its_worker_busy(tmp_path: Path, clock: Clock) -> None:
    pace = _pace(tmp_path, clock)
    workers = {"sift": 1, "fan_out": 1, "ask": 1, "paint": 2, "write": 2}
    for second in range(1, 61):
        clock.seconds = 100 + second
        did = {"sift": StageCounters(1, seconds=0.1), "fan_out": StageCounters(1, seconds=0.1)} if second > 5 else {}
        did |= {"paint": StageCounters(1, seconds=3), "write": StageCounters(1, seconds=1)} if second == 5 else {}
        working = {"sift": 0.2, "fan_out": 0.2, "paint": 1.0, "write": 1.0}
        pace.add_event(EngineEvent(did, workers=workers, working=working))
    found = pace.progress(Counts(), slices=0)
    assert found.bottleneck == "paint"
    assert _stages(found)["paint"].busy == pytest.approx(0.75), "three of four seconds of workers that never rest"
    assert _stages(found)["sift"].busy == pytest.approx(0.1)


def test_in_one_process_the_bottleneck_is_the_slowest_stage(tmp_path: Path, clock: Clock) -> None:
    pace = _pace(tmp_path, clock)
    for second in (1, 2, 3):
        clock.seconds = 100 + second
        pace.add_event(
            EngineEvent(
                {
                    "sift": StageCounters(1, seconds=0.3),
                    "fan_out": StageCounters(1, seconds=0.3),
                    "paint": StageCounters(1, seconds=0.4),
                }
            )
        )
    assert pace.progress(Counts(), slices=0).bottleneck == "paint"


def test_time_left_is_told_when_there_is_evidence(tmp_path: Path, clock: Clock) -> None:
    pace = _pace(tmp_path, clock)
    lines = []
    for done in range(1, 11):
        clock.seconds = 150 + 2 * done  # 50 s to start, then a slice each two seconds
        pace.add_event(EngineEvent({}, _report(5)))
        lines.append(pace.progress(Counts(), slices=done, before=10, total=120).seconds_left)
    assert lines[0] is lines[3] is None, "workers that began together are heard together"
    clock.seconds += 60
    for _ in range(20):
        clock.seconds += 2
        pace.add_event(EngineEvent({}, _report(5)))
    left = pace.progress(Counts(), slices=30, before=10, total=120)
    assert left.seconds_left == pytest.approx(80 * 2, rel=0.1)
    assert left.rate == pytest.approx(2.5, rel=0.1)
    assert pace.progress(Counts(), slices=30, before=10, total=None).seconds_left is None
    assert pace.progress(Counts(), slices=110, before=10, total=120).seconds_left == 0


def test_slow_slices_are_counted_over_minutes(tmp_path: Path, clock: Clock) -> None:
    pace = _pace(tmp_path, clock)
    for done in range(1, 6):
        clock.seconds = 100 + 120 * done
        pace.add_event(EngineEvent({}, _report(5)))
    assert pace.progress(Counts(), slices=5, total=25).seconds_left == pytest.approx(20 * 120)


def test_a_run_tells_slices_done_now_before_and_in_all(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "sift"}, PAINT], rows=plain_rows(10))

    class Listening(Quiet):
        events: list[RunProgress] = []

        def on_progress(self, message: RunProgress) -> None:
            self.events.append(message)

    run(graph, out=str(tmp_path / "out"), options=RunOptions("local", rows=6), watcher=Listening())
    first, *_, last = Listening.events
    assert (first.slices, first.before, first.total) == (0, 0, 2), "six of ten rows, three a slice"
    assert (last.slices, last.before, last.total) == (2, 0, 2)
    Listening.events.clear()
    run(graph, out=str(tmp_path / "out"), options=RunOptions("local"), watcher=Listening())
    last = Listening.events[-1]
    assert (last.slices, last.before, last.total) == (2, 2, 4)
    assert last.counts.sources == 4
    assert [stage.stage for stage in last.stages] == ["sift", "paint", "write"]
    assert last.stages[0].counters.taken == 4


def test_what_was_answered_before_is_not_spent_again(tmp_path: Path) -> None:
    rows = plain_rows(6)
    graph = toy_graph(tmp_path, [{"use": "ask"}, PAINT], rows=rows)
    first = run_local(graph, tmp_path / "out").stage_counters["ask"]
    changed = toy_graph(tmp_path, [{"use": "ask"}, {**PAINT, "with": {"side": 5}}], rows=rows)
    second = run_local(changed, tmp_path / "out").stage_counters["ask"]
    assert (first.tokens, first.usd, first.reused) == (18, pytest.approx(0.12), 0)
    assert (second.tokens, second.usd, second.reused) == (0, 0, 6)


EVENTS = RunProgress(
    slices=12,
    counts=Counts(sources=1200, accepted=3000, failed=2, rejected={"sift/unlucky": 410}),
    before=5,
    total=40,
    seconds=75.0,
    seconds_left=312.0,
    rate=45.5,
    stages=(
        StageProgress("sift", StageCounters(3412, 3002, 410), 2, 45.2, 0.04),
        StageProgress(
            "detect_every_subject_with_a_very_long_name",
            StageCounters(3002, 3000, failed=2, tokens=1234, usd=4.5),
            8,
            40,
            0.93,
        ),
    ),
    bottleneck="detect_every_subject_with_a_very_long_name",
)


def test_a_line_has_all_that_a_person_needs() -> None:
    assert progress_line(EVENTS) == (
        "17 of 40 slices (5 before), 1,200 sources: 3,000 accepted, 410 rejected, 2 failed; 45.5 records/s; "
        "slowest is detect_every_subject_with_a_very_long_name, 93% busy; 1,234 tokens, $4.50; about 5 min 12 s left"
    )
    assert progress_line(RunProgress(0, Counts())) == "0 slices, 0 sources: 0 accepted, 0 rejected, 0 failed"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (7300, "2 h 2 min"),
        (200_000, "2.3 days"),
    ],
)
def test_spans_are_told_in_two_units(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def _drawn(panel: Panel, width: int, height: int = 24) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(panel)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 60, 40, 20])
def test_the_panel_fits_the_terminal(width: int) -> None:
    drawn = _drawn(Panel("subject_add", EVENTS), width).splitlines()
    assert max(map(len, drawn)) <= width
    assert len(drawn) == 9


def test_the_panel_shows_slices_ends_stages_the_slowest_and_money() -> None:
    drawn = _drawn(Panel("subject_add", EVENTS, since=3), 120)
    assert "subject_add: 17 of 40 slices (5 before)  1 min 18 s  about 5 min 12 s left" in drawn
    assert "3,000 accepted  410 rejected  2 failed  from 1,200 sources  45.5 records/s" in drawn
    assert re.search(r"^sift +3,412 +3,002 +410 +0 +45.2 +2 +4%", drawn, re.MULTILINE)
    assert re.search(r"long_name +3,002 +3,000 +0 +2 +40.0 +8 +93% +<", drawn)
    assert "slowest: detect_every_subject_with_a_very_long_name" in drawn
    assert "spent: 1,234 tokens, $4.50" in drawn
    assert "starting" in _drawn(Panel("subject_add", None), 80)


def test_of_more_stages_than_fit_the_busiest_are_shown() -> None:
    stages = tuple(StageProgress(f"s{n}", StageCounters(1, 1), busy=n / 50) for n in range(40))
    drawn = _drawn(Panel("many", EVENTS._replace(stages=stages)), 80, height=20).splitlines()
    assert len(drawn) < 20
    assert [entry.split()[0] for entry in drawn if re.match(r"s\d", entry)] == [f"s{n}" for n in range(28, 40)]


def _watched(folder: Path, clock: Clock, **keys: object) -> Watcher:
    return Watcher("toy", str(folder), clock=clock, now=clock.date, **keys)  # type: ignore[arg-type]


def test_without_a_terminal_a_line_comes_every_ten_seconds(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with _watched(tmp_path, clock) as watcher:
        for seconds in range(32):
            watcher.on_progress(EVENTS._replace(seconds=float(seconds)))
    text = capsys.readouterr().out
    assert text == f"toy: {progress_line(EVENTS)}\n" * 3


def test_the_log_has_all_that_was_said_with_the_time(tmp_path: Path, clock: Clock) -> None:
    with _watched(tmp_path, clock) as watcher:
        watcher.on_progress(EVENTS._replace(seconds=0.0))
        clock.seconds += 10
        watcher.on_progress(EVENTS._replace(seconds=10.0))
        clock.seconds += 1
        watcher.notify("slice 3 is computed again:\nits part is gone")
    watcher.close(Summary(Counts(sources=1, accepted=1), 1, 1, 2.0))
    text = (tmp_path / LOG).read_text().splitlines()
    assert text[:4] == [
        f"2026-01-02T03:04:05Z toy into {tmp_path}",
        f"2026-01-02T03:04:15Z {progress_line(EVENTS)}",
        "2026-01-02T03:04:16Z slice 3 is computed again:",
        "2026-01-02T03:04:16Z its part is gone",
    ]
    assert text[4] == "2026-01-02T03:04:16Z 1 sources became 1 records in 2.0 s"
    assert text[-1].endswith(f"prove it whole:      python -m datagen verify {tmp_path}")
    with _watched(tmp_path, clock) as watcher:
        watcher.on_progress(EVENTS)
    again = (tmp_path / LOG).read_text().splitlines()
    assert again[: len(text)] == text
    assert len(again) == len(text) + 2, "each run goes on behind the earlier ones"


def test_the_log_says_how_a_run_broke_off(tmp_path: Path, clock: Clock) -> None:
    def break_off() -> None:
        with _watched(tmp_path, clock) as watcher:
            watcher.on_progress(EVENTS)
            raise ValueError("the disk is gone")

    with pytest.raises(ValueError, match="gone"):
        break_off()
    assert (tmp_path / LOG).read_text().endswith("Z ended by an error: the disk is gone\n")


def test_a_run_that_was_refused_leaves_no_log(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ValueError, match="refused"), _watched(tmp_path, clock):
        raise ValueError("refused")
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_does_not_end_the_run(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    with _watched(tmp_path, clock) as watcher:
        watcher.notify("one")
        watcher.notify("two")
    text = capsys.readouterr().out.splitlines()
    assert text[0] == "one"
    assert text[1].startswith("no log is kept from here on: ")
    assert text[2:] == ["two"]


def test_the_log_is_bounded(tmp_path: Path) -> None:
    log = RunLog(str(tmp_path))
    for number in range(30):
        log.write(f"{number} " + "x" * 100_000)
    size = (tmp_path / LOG).stat().st_size
    assert KEPT_BYTES - 200_000 < size <= MOST_BYTES
    text = (tmp_path / LOG).read_text().splitlines()
    assert text[-1].split()[1] == "29"
    assert re.match(r"\d{4}-.*Z \d+ x+$", text[0]), "it begins with a whole line"


@pytest.fixture
def memory() -> Iterator[str]:
    """An address that nothing can be appended at."""
    MemoryFileSystem.store.clear()
    yield "memory://bucket/out"
    MemoryFileSystem.store.clear()


def test_a_log_that_cannot_be_appended_is_written_now_and_then(memory: str, clock: Clock) -> None:
    def stored() -> str:
        return MemoryFileSystem().cat_file("/bucket/out/run/log").decode()

    log = RunLog(memory, now=clock.date)
    log.write("one")
    clock.seconds += 29
    log.write("two")
    assert stored() == "2026-01-02T03:04:05Z one\n"
    clock.seconds += 1
    log.write("three")
    assert [entry.split()[1] for entry in stored().splitlines()] == ["one", "two", "three"]
    clock.seconds += 1
    log.write("four")
    log.flush()
    later = RunLog(memory, now=clock.date)
    later.write("five")
    assert [entry.split()[1] for entry in stored().splitlines()] == ["one", "two", "three", "four", "five"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://me:hunter2secret@bucket/out is full", "s3://***@bucket/out is full"),
        ("GET https://x.org/a?X-Amz-Signature=abc123&b=1", "GET https://x.org/a?X-Amz-Signature=***&b=1"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("Incorrect API key provided: sk-proj-12345678abc", "Incorrect API key provided: ***"),
        ('{"api_key": "abcd"}', '{"api_key": "***"}'),
        ("it said orange-marmalade-9", "it said ***"),
        ("1,234 tokens, $4.50; 3 keys", "1,234 tokens, $4.50; 3 keys"),
    ],
)
def test_secrets_do_not_enter_the_log(text: str, shown: str) -> None:
    assert redact(text, {"MY_API_KEY": "orange-marmalade-9", "HOME": "/me", "A_TOKEN": "1"}) == shown


def test_the_summary_says_what_came_out_what_it_cost_and_what_next() -> None:
    summary = Summary(
        Counts(sources=10, accepted=1500, failed=1, rejected={"sift/unlucky": 2, "pack/duplicate": 7}),
        slices=4,
        computed=3,
        seconds=75.0,
        stage_counters={
            "sift": StageCounters(10, 8, 2, seconds=0.5),
            "ask": StageCounters(8, 7, failed=1, reused=3, seconds=60, tokens=15, usd=1.5),
        },
        shards=1,
        splits={"train": 1400, "val": 100},
        example="a__0",
        failed=["r 3"],
    )
    assert list(summary_lines(summary, "out/my set")) == [
        "10 sources became 1,510 records in 1 min 15 s, 1 of 4 slices were done before",
        "      1,500 accepted",
        "          7 rejected by pack/duplicate",
        "          2 rejected by sift/unlucky",
        "          1 failed",
        "",
        "time in stages, all workers together:",
        "       60.0 s  ask: 8 in, 7 out; 3 answers kept from before; 15 tokens, $1.50",
        "        0.5 s  sift: 10 in, 8 out",
        "  spent in this run: 15 tokens, $1.50",
        "",
        "out/my set: 1,400 train, 100 val in 1 shard",
        "some that failed:    r 3",
        "why one failed:      python -m datagen show 'out/my set' 'r 3'",
        "try them again:      python -m datagen retry 'out/my set'",
        "prove it whole:      python -m datagen verify 'out/my set'",
        "look at one:         python -m datagen show 'out/my set' a__0",
    ]


def test_the_manifest_counts_its_rows(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=[*plain_rows(7), "", "not json"])
    assert graph.source.count() == 8


def test_the_help_says_what_to_look_at() -> None:
    output = CliRunner().invoke(cli.app, ["run", "--help"]).output
    assert "OUT/run/log" in output
    assert "docs/monitoring.md" in output


def test_the_second_ctrl_c_ends_a_run_at_once_and_the_next_ones_do_not_disturb_its_end(tmp_path: Path) -> None:
    now = 100.0
    with Watcher("toy", str(tmp_path), clock=lambda: now) as watcher:
        signal.raise_signal(signal.SIGINT)
        assert watcher.stopping
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        now += 1.9
        signal.raise_signal(signal.SIGINT)
        now += 0.2  # what should have ended hangs
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.subprocess
def test_ctrl_c_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    """On a real terminal: the panel is drawn, taken away again, and the cursor is back."""
    config = toy_config(tmp_path, [{"use": "dawdle"}, PAINT], rows=plain_rows(30))
    words = [sys.executable, "-m", "datagen", "run", str(config), "--engine", "local", "--out", str(tmp_path / "out")]
    ours, theirs = pty.openpty()
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([".", "tests"]), "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(words, env=variables, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        while len(list(tmp_path.glob("out/run/ledger/*/*.parquet"))) < 3:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        drawn = b""
        while part := _read(ours):
            drawn += part
    os.close(ours)
    found = drawn.decode()
    assert running.returncode == 130
    assert re.search(r"dawdle +\d+ +\d+", found)
    assert "of 10 slices" in found
    after = found[found.rindex("\x1b[?25h") :]
    assert "interrupted; the same command goes on from here" in after
    assert "slices" not in after.replace("the slices", ""), "no panel is left behind"
    assert "\x1b[?25l" not in after, "the cursor is back"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 2**16)
    except OSError:  # the other end is closed
        return b""
