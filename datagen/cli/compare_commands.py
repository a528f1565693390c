"""Commands that look at whole runs: status, diff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from datagen.cli import completion
from datagen.cli.common import JsonOption, Out, app, print_json, print_text, register_secrets_of


@app.command()
def status(out: Out, as_json: JsonOption = False) -> None:
    """Show how far a run is, and which command to run next.

    Says whether the run is active, interrupted or finished, and shows records by stage and failures by
    kind. Only committed slices are counted. Nothing is written, and an active run is not disturbed. Call
    it from the folder in which the pipeline runs, so that the source can be counted.

    \b
    python -m datagen status out/subject_add
    python -m datagen status s3://bucket/set --json | jq '.slices_done, .slices'
    watch -n 60 python -m datagen status out/subject_add
    """
    from datagen.execute.inspect.status import status as status_of
    from datagen.progress.status_text import status_lines

    found = status_of(out)
    if as_json:
        print_json(found.as_json())
    else:
        print_text("\n".join(status_lines(found)))


@app.command()
def diff(
    a: Annotated[
        str,
        typer.Argument(
            help="A dataset's folder or address.",
            metavar="A",
            autocompletion=completion.outs,
            callback=register_secrets_of,
        ),
    ],
    b: Annotated[
        str,
        typer.Argument(
            help="The one to compare with it.",
            metavar="B",
            autocompletion=completion.outs,
            callback=register_secrets_of,
        ),
    ],
    to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also write a page with pictures of what was gained, lost and changed.", metavar="FILE.html"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two datasets: which samples were gained, lost or changed, and why.

    Shows the options that differ, the records by stage and reason, and how scores moved. Records are
    matched by id. If a record was never made because its parent was rejected, the parent's reason is
    shown. A sample counts as changed if its pictures or its words differ.

    \b
    python -m datagen run configs/subject_add.yaml --set filter_foreground.min_ratio=0.01 --out out/stricter
    python -m datagen diff out/subject_add out/stricter
    python -m datagen diff out/subject_add out/stricter --to diff.html
    python -m datagen diff out/subject_add out/stricter --json | jq '.transitions[] | select(.kind == "lost")'
    """
    from datagen.compare.diff import diff as diff_of
    from datagen.compare.diff_page import write_page
    from datagen.compare.text import diff_lines

    found = diff_of(a, b)
    if to:
        write_page(found, to)
        typer.echo(f"{to}: open it in a browser", err=True)
    if as_json:
        print_json(found)
    else:
        print_text("\n".join(diff_lines(found)))
