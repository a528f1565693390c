"""The command that measures a pipeline on drawn sessions: measure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from datagen.cli.common import (
    INTERRUPTED,
    Config,
    JsonOption,
    ProfileOption,
    SetOption,
    app,
    graph_of,
    print_json,
    print_text,
)

if TYPE_CHECKING:
    from datagen.measure.measurement import Measurement
    from datagen.pipeline.graph_model import Graph


class WorldSplit(StrEnum):
    """Which photographs, wording and damage are drawn."""

    held_out = "held_out"
    tuned = "tuned"


@app.command()
def measure(
    config: Config,
    sessions: Annotated[int, typer.Option(min=1, help="Sessions of each wording.", metavar="N")] = 90,
    seed: Annotated[int, typer.Option(min=0, help="Which sessions are drawn.")] = 0,
    split: Annotated[
        WorldSplit,
        typer.Option(
            help="Photographs and wording that nothing was tuned on, with kinds of damage of their own, or the others."
        ),
    ] = WorldSplit.held_out,
    no_encoder: Annotated[
        bool, typer.Option("--no-encoder", help="Measure no box rule that needs a pretrained network.")
    ] = False,
    profile: ProfileOption = "",
    sets: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a pipeline on drawn sessions of edits, whose truth is known.

    The pipeline's source has to be of kind `world`; its look and size are used. Sessions go through all
    kinds and strengths of the split's damage. Everything runs in this process and in a temporary folder.
    Shows how often each rule chooses the right box, how well conflicts and moved targets are found, how
    many accepted samples are right in every respect, and how many right candidates were accepted; with
    intervals and aims. Held-out wording is shown beside tuned wording.

    \b
    python -m datagen measure configs/world_complex_edit.yaml
    python -m datagen measure configs/world_complex_edit.yaml --split tuned --sessions 30
    python -m datagen measure configs/world_complex_edit.yaml --json | jq .aims
    """
    from dataclasses import asdict

    from datagen.measure.tables import aims_of, measurement_text

    found = _measured(
        graph_of(config, profile, sets), sessions=sessions, seed=seed, split=split, encodes=not no_encoder
    )
    if as_json:
        aims = [{**asdict(aim), "reached": aim.reached} for aim in aims_of(found)]
        print_json({**asdict(found), "aims": aims})
    else:
        print_text(measurement_text(found))


def _measured(graph: Graph, *, sessions: int, seed: int, split: WorldSplit, encodes: bool) -> Measurement:
    from datagen.measure import measure as measure_it
    from datagen.models.dense_encoders.efficientnet_lite import EfficientNetLiteConfig
    from datagen.progress.estimate_text import EstimateDisplay

    encoder = EfficientNetLiteConfig(batch_size=64) if encodes else None
    try:
        with EstimateDisplay("measuring") as display:
            return measure_it(graph, sessions=sessions, seed=seed, split=split.value, encoder=encoder, watcher=display)
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing is left of it", err=True)
        raise typer.Exit(INTERRUPTED) from None
