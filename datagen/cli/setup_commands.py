"""Commands to start with: manifest, init."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from datagen.cli.common import SOME_FAILED, app, import_from_here

if TYPE_CHECKING:
    from datagen.sources.base import Source

_MAX_LISTED = 100
"""Faults that are listed; the others are counted."""
_PROGRESS_EVERY = 1000
"""Rows between two lines of progress."""


class Kind(StrEnum):
    """Kinds of source."""

    manifest = "manifest"
    images = "images"
    sa1b = "sa1b"
    webdataset = "webdataset"
    huggingface = "huggingface"
    coco = "coco"


ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


@app.command()
def manifest(
    place: Annotated[str, typer.Argument(help="A folder, glob, tar, table or bucket of pictures.", metavar="PLACE")],
    to: Annotated[Path, typer.Option(help="The file to write, as JSON lines.")] = Path("manifest.jsonl"),
    kind: Annotated[Optional[Kind], typer.Option(help="What lies there [default: what it looks like].")] = None,  # noqa: UP045
    license: Annotated[str, typer.Option(help="Licence of pictures that name none, such as CC-BY-4.0.")] = "",
    host: Annotated[Optional[list[str]], typer.Option(help="A web host that may be asked; *.example.org.")] = None,  # noqa: UP045
    sets: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", "-s", help="An option of the source: caption_column=text.", metavar="A=B"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a manifest of pictures: address, checksum, size, licence, and the other fields of each row.

    Every file is read once. A run from a manifest starts at once, where listing a bucket or the headers
    of tars takes long, and it fails pictures that have changed since. Pictures are not decoded. Files
    that are no pictures, or cannot be read, are left out and listed at the end.

    \b
    python -m datagen manifest photos --to manifests/photos.jsonl --license CC-BY-4.0
    python -m datagen manifest 's3://bucket/tars/*.tar' --to manifests/tars.jsonl
    python -m datagen manifest urls.csv --to manifests/urls.jsonl --host images.example.org
    """
    from datagen.fetch import Web, check_host
    from datagen.sources.manifest_writer import write_manifest

    refuse_to_replace(to, force)
    try:
        hosts = tuple(map(check_host, host or ()))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--host") from error
    source = source_at(place, kind, sets or [])
    faults: list[str] = []
    rows = failed = 0
    for done in write_manifest(source.rows(), to, license=license, web=Web(hosts)):
        rows = done.rows
        if done.fault and len(faults) < _MAX_LISTED:
            faults.append(done.fault)
        failed = done.failed
        if rows % _PROGRESS_EVERY == 0:
            typer.echo(f"{rows:,} pictures, {failed:,} of them faulty", err=True)
    for fault in faults:
        typer.echo(f"left out: {_printable(fault)}", err=True)
    if failed > len(faults):
        typer.echo(f"... and {failed - len(faults):,} more", err=True)
    written = f"{to}: {rows - failed:,} pictures; {failed:,} left out"
    typer.echo(written if failed < rows else f"{to} is not written: of {rows:,} pictures none can be read")
    if "annotation" in source.writes and failed < rows:
        typer.echo("their masks are not in it: keep `kind: sa1b` to use them")
    if failed:
        raise typer.Exit(SOME_FAILED)


def _printable(text: str) -> str:
    """Text without control characters."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def refuse_to_replace(path: Path, force: bool) -> None:
    """Raise `ConfigError` if the path is a folder, or a file that must not be replaced."""
    from datagen.core.errors import ConfigError

    if path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file")
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; give another --to, or --force to replace it")


def source_at(place: str, kind: Kind | None, sets: Iterable[str]) -> Source:
    """The source at a place, of the given kind, else of the kind that it looks like. Raises `ConfigError`.

    `sets` are options of the source as `key=value`.
    """
    from datagen.core.errors import ConfigError
    from datagen.pipeline.config import validated
    from datagen.pipeline.yaml_file import Located, parse_yaml
    from datagen.sources.config import AnySource
    from datagen.sources.recognise import recognise

    options = {"kind": kind.value, "path": place} if kind else dict(recognise(place).options)
    located = Located({"source": dict(options)}, {("source",): f"--kind {options['kind']}"})
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {text}: write it as --set key=value")
        located.data["source"][key] = parse_yaml(f"value: {value}", name=f"--set {text}").data["value"]
        located.origins["source", key] = f"--set {text}"
    source = validated(AnySource, located, ()).source.load()
    source.check()
    return source


@app.command()
def init(
    folder: Annotated[
        str, typer.Argument(help="Your pictures: a folder, glob, tar or table.", metavar="[FOLDER]")
    ] = "",
    to: Annotated[Path, typer.Option(help="The config to write.")] = Path("configs/mine.yaml"),
    force: ForceOption = False,
) -> None:
    """Write a starter config for your own pictures, with comments; it is valid as it is.

    Recognises pictures with files beside them, a manifest, COCO's or SA-1B's annotations, tars and
    Parquet. Without a folder it writes a config for the demo's photographs.

    \b
    python -m datagen init photos
    python -m datagen init coco/annotations/instances_val2017.json --to configs/coco.yaml
    """
    from datagen.cli.starter_config import starter
    from datagen.core.errors import ConfigError
    from datagen.pipeline.config import load
    from datagen.pipeline.graph import build

    import_from_here()
    refuse_to_replace(to, force)
    text, remark = starter(folder, file=str(to))
    temporary = to.with_name(f"{to.name}.{os.getpid()}.tmp")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        build(load(temporary))  # under a temporary name, so that a faulty config replaces nothing
        os.replace(temporary, to)
    except OSError as error:
        raise ConfigError(f"{to}: cannot be written: {error.strerror or error}") from error
    except ConfigError as error:
        message = str(error).replace(str(temporary), str(to))
        raise ConfigError(f"{message}; nothing is written") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    typer.echo(f"{to}: {remark}")
    config = shlex.quote(str(to))
    typer.echo(f"\n  python -m datagen check {config}\n  python -m datagen run {config} --limit 4")
