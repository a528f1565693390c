"""The command that writes a dataset in the layout of another trainer: export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from datagen.cli.common import INTERRUPTED, JsonOption, Out, app, print_json, print_text


class ExportFormat(StrEnum):
    """The layouts."""

    irg = "irg"
    zebra_cot = "zebra_cot"
    reflection_flow = "reflection_flow"


@app.command()
def export(
    out: Out,
    to: Annotated[Path, typer.Option(help="New folder of this machine.", metavar="FOLDER")],
    layout: Annotated[ExportFormat, typer.Option("--format", help="Which trainer's layout.")],
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The trainer's limit of tokens a sample; if not given, that of its published script: 32768 for "
            "irg, 60000 for zebra_cot. Not for reflection_flow.",
            metavar="N",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write plans, inspections and refinements in the layout that a public trainer reads.

    Takes samples of the tasks plan_generation, inspect_text, inspect_image and refine; reflection_flow has
    a place for refine alone. What a layout has no place for, and samples that its reader would skip, are
    left out and counted by reason. FOLDER appears when it is whole. docs/export.md says how to load it.

    \b
    python -m datagen export s3://bucket/plans --format irg --to exports/plans_irg
    python -m datagen export s3://bucket/plans --format zebra_cot --to exports/plans_zebra --max-tokens 16384
    python -m datagen export s3://bucket/critique --format reflection_flow --to exports/genref
    python -m datagen export s3://bucket/plans --format irg --to exports/plans_irg --json | jq .left_out
    """
    from datagen.export import export_dataset
    from datagen.export.export_text import export_text

    try:
        found, was_there = export_dataset(out, format=layout.value, to=to, max_tokens=max_tokens)
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing is left of it", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if was_there:
        typer.echo(f"{to} holds this export already; nothing was written", err=True)
    if as_json:
        print_json(found.model_dump())
    else:
        print_text(export_text(found, folder=to))
