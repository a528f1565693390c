"""The command that writes the report of a run: report."""

from __future__ import annotations

from typing import Annotated

import typer

from datagen.cli.common import Out, app


@app.command()
def report(
    out: Out,
    to: Annotated[
        str, typer.Option(help="Folder or address to write to [default: OUT/report].", metavar="FOLDER")
    ] = "",
    samples: Annotated[int, typer.Option(min=1, max=2000, help="Accepted samples to show.", metavar="N")] = 120,
) -> None:
    """Write a page that shows a run: where records went, scores, pictures, failures, time and money.

    The page is one file, needs no network, and opens from disk. `run` writes it too, except with
    --no-report. docs/report.md explains it.

    \b
    python -m datagen report out/subject_add
    python -m datagen report out/subject_add --to /tmp/look --samples 500
    """
    from datagen.report import write_report

    written = write_report(out, to=to, samples=samples)
    for note in written.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(
        f"{written.address}: {written.samples:,} samples and {written.rejected:,} rejected records shown, "
        f"{written.bytes / 1e6:.1f} MB, {written.seconds:.1f} s"
    )
