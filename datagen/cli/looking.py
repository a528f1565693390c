"""Commands that look at what there is: describe, verify, show."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from datagen.cli.common import BROKEN, app, import_from_here, tell


@app.command()
def describe(
    what: Annotated[str, typer.Argument(help="stages, fields, sources, models, config, or a stage.")] = "stages",
    plugin: Annotated[Optional[list[str]], typer.Option(help="A package of further stages.")] = None,  # noqa: UP045
) -> None:
    """Tell what there is to build from, or everything about one stage.

    \b
    python -m datagen describe stages
    python -m datagen describe segment_subject
    python -m datagen describe config           every key of a config file
    """
    from datagen.describe import describe as describe_it

    import_from_here()
    typer.echo(describe_it(what, plugins=plugin or []))


@app.command()
def verify(
    out: Annotated[str, typer.Argument(help="A dataset's folder or address.", metavar="OUT")],
    repair: Annotated[bool, typer.Option("--repair", help="First mend what is damaged from what is not.")] = False,
) -> None:
    """Prove that a dataset is whole and that every record is accounted for."""
    from datagen.execute.repair import repair as repair_it
    from datagen.execute.verify import verify as verify_it

    for line in repair_it(out) if repair else ():
        typer.echo(str(line))
    problems = verify_it(out)
    for problem in problems:
        typer.echo(str(problem), err=True)
    if problems:
        raise typer.Exit(BROKEN)
    typer.echo(f"{out}: whole; shards, index and ledger agree")


@app.command()
def show(
    out: Annotated[str, typer.Argument(help="A dataset's folder or address.", metavar="OUT")],
    key: Annotated[str, typer.Argument(help="The key of a sample, or the id of any record.", metavar="KEY")],
) -> None:
    """Show one sample and how it came about, or why a record was rejected."""
    from datagen.show import show as show_it

    tell(show_it(out, key))
