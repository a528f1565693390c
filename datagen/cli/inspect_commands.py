"""Commands that look at stages, datasets and single records: describe, verify, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from datagen.cli import completion
from datagen.cli.common import BROKEN, JsonOption, Out, app, import_from_here, print_json, print_text
from datagen.core.redact import redact_data


@app.command()
def describe(
    what: Annotated[
        str,
        typer.Argument(
            help="stages, fields, sources, models, config, training, evaluation, or a stage.",
            autocompletion=completion.topics,
        ),
    ] = "stages",
    plugin: Annotated[Optional[list[str]], typer.Option(help="A package of further stages.")] = None,  # noqa: UP045
    as_json: JsonOption = False,
) -> None:
    """List stages, fields, sources, models or config keys, or describe one stage.

    \b
    python -m datagen describe stages
    python -m datagen describe segment_subject
    python -m datagen describe config           every key of a config file
    python -m datagen describe config --json    its JSON schema, for an editor to check a config by
    python -m datagen describe training         every key of a training's config
    python -m datagen describe evaluation       every key of an evaluation's config
    """
    from datagen.pipeline.describe import describe as describe_it
    from datagen.pipeline.describe import described

    import_from_here()
    if what == "training":
        from datagen.train.config import TrainConfig
        from datagen.train.reference import training_reference

        if as_json:
            print_json(TrainConfig.model_json_schema())
        else:
            typer.echo(training_reference())
    elif what == "evaluation":
        from datagen.evaluate.config import EvaluationConfig
        from datagen.evaluate.reference import evaluation_reference

        if as_json:
            print_json(EvaluationConfig.model_json_schema())
        else:
            typer.echo(evaluation_reference())
    elif as_json:
        print_json(described(what, plugins=plugin or []))
    else:
        typer.echo(describe_it(what, plugins=plugin or []))


@app.command()
def verify(
    out: Out,
    repair: Annotated[bool, typer.Option("--repair", help="First mend what is damaged from what is not.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove that a dataset is whole and that every record is accounted for.

    \b
    python -m datagen verify out/subject_add
    python -m datagen verify out/subject_add --repair
    python -m datagen verify s3://bucket/set --json | jq .problems
    """
    from datagen.execute.maintain.repair import repair as repair_it
    from datagen.execute.maintain.verify import verify as verify_it

    repaired = repair_it(out) if repair else []
    for line in [] if as_json else repaired:
        print_text(str(line))
    problems = verify_it(out)
    if as_json:
        results = {"repaired": [each._asdict() for each in repaired], "problems": [each._asdict() for each in problems]}
        print_json({"out": out, "whole": not problems, **results})
    else:
        for problem in problems:
            typer.echo(redact_data(str(problem)), err=True)
    if problems:
        raise typer.Exit(BROKEN)
    if not as_json:
        typer.echo(f"{out}: whole; shards, index and ledger agree")


@app.command()
def show(
    out: Out,
    key: Annotated[
        str,
        typer.Argument(
            help="The key of a sample, or the id of any record.", metavar="KEY", autocompletion=completion.keys
        ),
    ],
    to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also write a sheet with its pictures, masks and boxes.", metavar="FILE.html|FILE.png"),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open that sheet; it is KEY.html, if not named.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one sample and how it was made, or why a record was rejected.

    The sheet has all pictures, the outlines of masks, boxes and texts, and the seconds of each stage. For a
    rejected record it has what earlier stages made of it, as far as that is stored.

    \b
    python -m datagen show out/subject_add coins__3
    python -m datagen show out/subject_add coins__3 --open
    python -m datagen show out/subject_add astronaut#1 --to rejected.png
    python -m datagen show out/subject_add coins__3 --json | jq .sample.scores
    """
    from datagen.cards.show import find, record_text, sheet_file, write_sheet

    found = find(out, key)
    if to or open_it:
        file = to or sheet_file(found)
        write_sheet(found, file)
        typer.echo(f"{file}: its sheet", err=True)
        if open_it:
            typer.launch(str(file))
    if as_json:
        print_json(found.as_data())
    else:
        print_text(record_text(found))
