"""Commands that compute: run, retry, check, plan, gc."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, NoReturn, Optional

import typer

from datagen.cli.common import (
    INTERRUPTED,
    OK,
    SOME_FAILED,
    WRONG,
    CodeOption,
    Config,
    Engine,
    JsonOption,
    Out,
    ProfileOption,
    RayAddress,
    SetOption,
    app,
    code_choice,
    finite,
    graph_of,
    import_from_here,
    print_json,
    print_text,
)

if TYPE_CHECKING:
    from datagen.execute.inspect.estimate import Estimate
    from datagen.execute.run import RunOptions
    from datagen.pipeline.commercial import Licensed
    from datagen.pipeline.graph_model import Graph


WithReport = Annotated[bool, typer.Option("--report/--no-report", help="Write OUT/report/index.html at the end.")]


@app.command()
def run(
    config: Config,
    out: Annotated[str, typer.Option(help="Folder or address to write to [default: out/<pipeline>].")] = "",
    engine: Annotated[Engine, typer.Option(help="Ray's actors, or this process alone.")] = Engine.ray,
    limit: Annotated[Optional[int], typer.Option(min=1, help="Take only the first N source rows.")] = None,  # noqa: UP045
    max_failed: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0,
            max=1,
            callback=finite,
            help="Stop early if more than this share of the records fail.",
            metavar="SHARE",
        ),
    ] = None,
    in_flight_mb: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=1, callback=finite, help="Most MB of slices between workers [default: 0.3 of Ray's object store]."
        ),
    ] = None,
    ray_address: RayAddress = "",
    slices: Annotated[
        str, typer.Option(help="Take one share of several drivers' over one OUT; the last one packs.", metavar="I/N")
    ] = "",
    profile: ProfileOption = "",
    sets: SetOption = None,
    code: CodeOption = None,
    with_report: WithReport = True,
) -> None:
    """Run a pipeline and pack its dataset.

    The terminal shows slices, stages, the slowest stage, the time left and the cost. OUT/run/log has the
    same, and so has Ray's dashboard, by actors and tasks; its address is printed. OUT/report/index.html
    shows the result. See docs/monitoring.md and docs/report.md.

    Ctrl-C ends the run after the slices in flight; a second Ctrl-C ends it at once. The same command
    resumes it: finished slices are not computed again.

    \b
    python -m datagen run configs/subject_add.yaml
    python -m datagen run configs/subject_add.yaml --engine local --limit 2 --out /tmp/try
    python -m datagen run configs/subject_add.yaml --set segment_subject.segmenter.kind=grabcut
    python -m datagen run configs/subject_add.yaml --code rerun        a stage's code was mended
    """
    from datagen.execute.ledger.partitions import Partition
    from datagen.execute.run import RunOptions

    share = Partition.parse(slices) if slices else None
    graph = graph_of(config, profile, sets)
    options = RunOptions(engine.value, limit, max_failed, in_flight_mb, ray_address, share, code=code_choice(code))
    _run_to_end(graph, out or f"out/{graph.loaded.pipeline.pipeline}", options, with_report=with_report)


def _run_to_end(graph: Graph, out: str, options: RunOptions, *, with_report: bool) -> NoReturn:
    """Run the graph with a progress display, write report and review sheet, and exit with the run's exit code."""
    from datagen.execute.run import run as run_graph
    from datagen.progress import Watcher

    try:
        with Watcher(graph.loaded.pipeline.pipeline, out) as watcher:
            summary = run_graph(graph, out=out, options=options, watcher=watcher)
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None
    watcher.close(summary)
    # with --slices the driver that ends last packs: before that there is no dataset to report on
    if not summary.waits_for:
        if with_report:
            _write_report(out)
        _update_review_sheet(graph, out)
    raise typer.Exit(SOME_FAILED if summary.counts.failed else OK)


def _update_review_sheet(graph: Graph, out: str) -> None:
    """Add what waits for a person's decision to the source's review sheet, if it has one, and print the counts."""
    from datagen.sources.reviewed import ReviewedConfig

    source = graph.loaded.pipeline.source
    if isinstance(source, ReviewedConfig):
        from datagen.review import update

        if (waiting := update(out, path=source.path)).stages:
            print_text(str(waiting))


def _write_report(out: str) -> None:
    """Write the report. If that fails, print why and go on, because the dataset is whole without it."""
    from datagen.core.redact import redact
    from datagen.report import write_report

    try:
        written = write_report(out)
    except (Exception, KeyboardInterrupt) as error:
        why = redact(str(error)) or type(error).__name__
        typer.echo(f"no report was written: {why}; try again: python -m datagen report {shlex.quote(out)}", err=True)
        return
    typer.echo(f"see what came out:   {written.address}")


@app.command()
def retry(
    out: Out,
    engine: Annotated[Engine, typer.Option(help="Ray's actors, or this process alone.")] = Engine.ray,
    ray_address: RayAddress = "",
    with_report: WithReport = True,
) -> None:
    """Run the records that failed again, and only those, then pack anew.

    Uses the config and the `--limit` of the last run into OUT. Stored answers of GPUs, models and
    services are used again.

    \b
    python -m datagen retry out/subject_add
    """
    from datagen.execute.reuse.run_manifest import rows_of_last_run
    from datagen.execute.run import RunOptions, stored_config
    from datagen.pipeline.graph import build
    from datagen.storage.store import Store

    import_from_here()
    graph = build(stored_config(out))
    options = RunOptions(engine.value, rows_of_last_run(Store(out)), ray_address=ray_address, retry=True)
    _run_to_end(graph, out, options, with_report=with_report)


@app.command()
def check(
    config: Config,
    profile: ProfileOption = "",
    sets: SetOption = None,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Also refuse models and pictures whose licence forbids commercial use.")
    ] = False,
    allow: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Of --commercial: a licence that counts as allowed, by name.", metavar="LICENCE"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find what is wrong with a config, without GPU, network or weights.

    With --commercial, the licence of every model (also of those that made a mix's datasets) and of every
    row of the source must be known and must not forbid commercial use. Others are listed, with exit code 2.
    This is no legal advice.

    \b
    python -m datagen check configs/subject_add.yaml
    python -m datagen check configs/subject_add.yaml --commercial
    python -m datagen check configs/subject_add.yaml --set filter_foreground.min_ratio=2     an error: it is at most 1
    python -m datagen check configs/subject_add.yaml --json | jq .faults
    """
    from datagen.core.errors import ConfigError
    from datagen.pipeline.graph import gpu_memory_notes, secret_notes

    answer = {"config": str(config), "sound": True, "faults": [], "notes": []}
    answer |= {"pipeline": "", "profile": "", "stages": []}
    if allow and not commercial:
        raise typer.BadParameter("--allow goes with --commercial")
    try:
        graph = graph_of(config, profile, sets)
        bound = _conditional_licences(graph, allow or []) if commercial else []
    except ConfigError as error:
        if not as_json:
            raise
        print_json({**answer, "sound": False, "faults": str(error).splitlines()})
        raise typer.Exit(WRONG) from None
    pipeline, stages, notes = (
        graph.loaded.pipeline.pipeline,
        [node.id for node in graph.nodes],
        [*gpu_memory_notes(graph), *secret_notes(graph)],
    )
    if as_json:
        names = {"pipeline": pipeline, "profile": graph.loaded.profile, "stages": stages, "notes": notes}
        print_json({**answer, **names, **({"licences": [found._asdict() for found in bound]} if commercial else {})})
        return
    for line in [*map(str, bound), *(f"note: {note}" for note in notes)]:
        print_text(line)
    licences = "; no licence forbids commercial use" if commercial else ""
    typer.echo(f"{config}: sound; {len(stages)} stages, profile {graph.loaded.profile}{licences}")


def _conditional_licences(graph: Graph, allow: list[str]) -> list[Licensed]:
    """The licences that have conditions. Raises `ConfigError` if one forbids commercial use or is unknown."""
    from datagen.core.errors import ConfigError
    from datagen.pipeline.commercial import licences

    found = [row for row in licences(graph, allow=allow) if row.standing != "allowed"]
    if refused := [str(row) for row in found if row.standing != "conditions"]:
        raise ConfigError("\n".join(refused))
    return found


@app.command()
def plan(
    config: Config,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print the graph as a Mermaid diagram.")] = False,
    profile: ProfileOption = "",
    sets: SetOption = None,
    out: Annotated[str, typer.Option(help="Folder or address to compare with [default: out/<pipeline>].")] = "",
    code: CodeOption = None,
    draws: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--estimate", min=10, help="Run N rows, and forecast the whole run from them.", metavar="N"),
    ] = None,
    seed: Annotated[Optional[int], typer.Option(min=0, help="Of --estimate: which rows [default: 0].")] = None,  # noqa: UP045
    rows: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Of --estimate: rows of the source [default: they are counted].", metavar="N"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would run: the graph, the operators, which slices are done, and why the others are not.

    Nothing is written. All rows of the source are read, to find out which slices are done.

    With --estimate, N rows drawn evenly from the source run through the real stages in a temporary
    folder. Shows how many samples the whole run would give, and what it takes in hours,
    money and bytes. Services are really called for these rows.

    \b
    python -m datagen plan configs/subject_add.yaml
    python -m datagen plan configs/subject_add.yaml --set filter_foreground.min_ratio=0.2     what that would cost
    python -m datagen plan configs/subject_add.yaml --json | jq '.stages[] | select(.state == "to do")'
    python -m datagen plan configs/subject_add.yaml --mermaid > graph.mmd
    python -m datagen plan configs/subject_add.yaml --estimate 100
    """
    from datagen.execute.inspect.plan import as_mermaid, as_text

    if draws is None and (seed is not None or rows is not None):
        raise typer.BadParameter("--seed and --rows go with --estimate N")
    if mermaid and (as_json or draws is not None):
        raise typer.BadParameter("--mermaid prints a diagram alone, without --json and --estimate")
    graph = graph_of(config, profile, sets)
    if draws is not None:
        from datagen.progress.estimate_text import estimate_lines

        forecast = _run_estimate(graph, draws, seed or 0, rows)
        if as_json:
            print_json(forecast)
        else:
            print_text("\n".join(estimate_lines(forecast)))
        return
    if mermaid:
        typer.echo(as_mermaid(graph))
        return
    from datagen.execute.inspect.resume_plan import plan_resume, resume_plan_text
    from datagen.execute.reuse.code_versions import settle_code
    from datagen.storage.store import Store

    out = out or f"out/{graph.loaded.pipeline.pipeline}"
    settled = settle_code(graph, store=Store(out), choice=code_choice(code))
    found = plan_resume(settled, out=out)
    if as_json:
        print_json(found)
    else:
        print_text(f"{as_text(settled.context)}\n\n{resume_plan_text(found)}")


def _run_estimate(graph: Graph, draws: int, seed: int, rows: int | None) -> Estimate:
    """Run `draws` rows in a temporary folder, and forecast a run of `rows`, or of all rows if None."""
    from datagen.execute.inspect.estimate import estimate
    from datagen.progress.estimate_text import EstimateDisplay

    try:
        with EstimateDisplay() as trial:
            return estimate(graph, draws=draws, watcher=trial, seed=seed, rows=rows)
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing is left of it", err=True)
        raise typer.Exit(INTERRUPTED) from None


@app.command()
def gc(
    out: Out,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be freed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what neither the dataset nor the last run uses: older results, incomplete files.

    The dataset stays, and so does everything that the last run needs to resume. Call it from the folder
    in which the pipeline runs, so that it finds the source.

    \b
    python -m datagen gc out/subject_add --dry-run
    python -m datagen gc out/subject_add
    """
    from datagen.execute.maintain.gc import collect_garbage, freed_text

    import_from_here()
    freed = collect_garbage(out, dry=dry_run)
    if as_json:
        print_json(freed)
    else:
        print_text(freed_text(freed, out, dry=dry_run))
