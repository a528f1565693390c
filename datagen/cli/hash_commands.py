"""The command that hashes the pictures of a benchmark: hashes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from datagen.cli.common import SOME_FAILED, app, import_from_here, print_text
from datagen.cli.setup_commands import ForceOption, Kind, refuse_to_replace, source_at

if TYPE_CHECKING:
    from datagen.models.hashers.base import Hasher

_MAX_LISTED = 100
"""Faults that are listed; the others are counted."""


@app.command()
def hashes(
    place: Annotated[
        str, typer.Argument(help="A benchmark's pictures: a folder, glob, tar or table.", metavar="PLACE")
    ],
    to: Annotated[Path, typer.Option(help="The file to write, as JSON lines.")] = Path("hashes.jsonl"),
    kind: Annotated[Optional[Kind], typer.Option(help="What lies there [default: what it looks like].")] = None,  # noqa: UP045
    host: Annotated[Optional[list[str]], typer.Option(help="A web host that may be asked; *.example.org.")] = None,  # noqa: UP045
    hasher: Annotated[
        str, typer.Option(help="What makes the hashes, as the config has it: '{kind: phash, side: 8}'.", metavar="YAML")
    ] = "{kind: phash}",
    force: ForceOption = False,
) -> None:
    """Write the hashes of a benchmark's pictures, so that `decontaminate` keeps them out of a dataset.

    Use the same hasher as the pipeline's `hash_picture`. The list holds only hashes and names, so it can
    be shared. Pictures that cannot be read are left out and listed.

    \b
    python -m datagen hashes mige_bench/images --to manifests/benchmarks/mige_bench.jsonl
    python -m datagen hashes 's3://bucket/emu_edit/*.parquet' --kind huggingface --to emu_edit.jsonl
    """
    from datagen.core.errors import ConfigError
    from datagen.fetch import Web, check_host
    from datagen.sources.hash_list import write_hashes

    refuse_to_replace(to, force)
    try:
        hosts = tuple(map(check_host, host or ()))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--host") from error
    import_from_here()
    loaded = _load_hasher(hasher)
    rows = failed = 0
    for done in write_hashes(source_at(place, kind, []).rows(), to, hasher=loaded, web=Web(hosts)):
        rows, failed = done.rows, done.failed
        if done.fault and failed <= _MAX_LISTED:
            print_text(f"left out: {done.fault}")
    if failed == rows:
        raise ConfigError(f"{to} is not written: of {rows:,} pictures at {place} none can be read")
    print_text(f"{to}: {rows - failed:,} hashes; {failed:,} left out")
    if failed:
        raise typer.Exit(SOME_FAILED)


def _load_hasher(text: str) -> Hasher:
    """Load the hasher of `--hasher`. Raises `ConfigError`, or `SetupError` if packages or weights are missing."""
    from datagen.models.hashers import HasherOptions
    from datagen.pipeline.config import validated
    from datagen.pipeline.yaml_file import parse_yaml

    return validated(HasherOptions, parse_yaml(f"hasher: {text}", name="--hasher"), ()).hasher.load("cpu")
