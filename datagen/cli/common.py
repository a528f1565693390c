"""What commands share: the application, exit codes, common arguments and options, output, and loading a config."""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer

from datagen.cli import completion
from datagen.core.redact import escape_control, redact_data, register_variables, variables_named_in

if TYPE_CHECKING:
    from datagen.pipeline.graph_model import Graph

OK, BROKEN, WRONG, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="datagen",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="""Build training sets for instruction-based image editing.

    \b
    python -m datagen run configs/subject_add.yaml           make the demo dataset
    python -m datagen init photos                            begin with your own pictures
    python -m datagen check configs/subject_add.yaml         find what is wrong, in a second
    python -m datagen plan configs/subject_add.yaml          what would run, where, and why
    python -m datagen describe stages                        what there is to build from
    python -m datagen status out/subject_add                 how far a run is, or how it ended
    python -m datagen verify out/subject_add                 prove that it is whole
    python -m datagen show out/subject_add coins__3          one sample and its history
    python -m datagen report out/subject_add                 a page of pictures and numbers
    python -m datagen diff out/subject_add out/stricter      what another config gains and loses
    python -m datagen measure configs/world_complex_edit.yaml  how right its samples are
    python -m datagen train configs/train/small.yaml         train a model on finished datasets
    python -m datagen edit out/train/small photo.png "make the cup red"  use it
    python -m datagen evaluate out/train/small out/world_small  judge models on a split
    python -m datagen export s3://bucket/plans --format irg --to exports/irg  for other trainers
    python -m datagen hashes bench/images --to bench.jsonl   a benchmark's hashes, to be kept out
    python -m datagen gc out/subject_add                     free what older runs left
    """,
    epilog="Exit codes: 0 all went well, 1 the program broke, 2 the command or config is wrong, "
    "3 the run finished but some records failed, 130 interrupted or a budget is spent, and the same command goes on. "
    "`datagen --install-completion` lets the shell complete commands, configs, profiles and keys.",
)


class Engine(StrEnum):
    """Where stages run, or the workers of a training."""

    ray = "ray"
    local = "local"


_SAVED_CONFIG = "run/config.yaml"
"""Where a run saves its config; the name is repeated here because importing `datagen.execute.run` takes a second."""


def register_secrets_of(out: str) -> str:
    """Redact from now on what the config in OUT names as keys, in whatever a command prints. Returns `out`."""
    from datagen.core.errors import DatagenError
    from datagen.pipeline.yaml_file import parse_yaml
    from datagen.storage.store import Store

    # a command that needs the config reports what is wrong with it
    with suppress(DatagenError, OSError, UnicodeDecodeError):
        saved = parse_yaml(Store(out).read(_SAVED_CONFIG).decode(), name=_SAVED_CONFIG)
        register_variables(variables_named_in(saved.data))
    return out


Config = Annotated[
    Path,
    typer.Argument(
        help="A pipeline, such as configs/subject_add.yaml.", metavar="CONFIG", autocompletion=completion.configs
    ),
]
Out = Annotated[
    str,
    typer.Argument(
        help="A dataset's folder or address.",
        metavar="OUT",
        autocompletion=completion.outs,
        callback=register_secrets_of,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for a script to read.")]
ProfileOption = Annotated[
    str,
    typer.Option("--profile", "-p", help="Which choice of models.", metavar="NAME", autocompletion=completion.profiles),
]
SetOption = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it
    typer.Option("--set", "-s", help="Change one value: seed=1, or STAGE.OPTION=VALUE.", metavar="A.B=C"),
]
RayAddress = Annotated[str, typer.Option(help="A running Ray cluster: auto or HOST:6379.", metavar="ADDRESS")]


class Code(StrEnum):
    """What to do with results of a stage whose code changed but whose version did not."""

    rerun = "rerun"
    reuse = "reuse"


CodeOption = Annotated[
    Optional[Code],  # noqa: UP045 - typer reads it
    typer.Option(
        help="Where a stage's code changed and its version did not: compute its results anew, or use them for good. "
        "If not given, they are used, and the run says so."
    ),
]


def code_choice(code: Code | None) -> Literal["", "rerun", "reuse"]:
    """The value of `--code`; '' if it is not given."""
    return code.value if code else ""


def print_text(text: str) -> None:
    """Print text to standard output. Secrets are redacted and control characters escaped: data may hold some."""
    typer.echo(escape_control(redact_data(text)))


def finite(value: float | None) -> float | None:
    """Check that an option is a finite number. typer's bounds let `nan` pass, and some have no upper end."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number that can be kept to")
    return value


def graph_of(config: Path, profile: str, sets: list[str] | None) -> Graph:
    """Load a config file and build its graph. Raises `ConfigError`."""
    from datagen.pipeline.config import load
    from datagen.pipeline.graph import build

    import_from_here()
    return build(load(config, profile=profile, sets=sets or []))


def import_from_here() -> None:
    """Put the current folder on the import path, for `stages/` and plugins. `python -m` does so itself."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def print_json(value: Any) -> None:
    """Print plain data, or a dataclass of it, to standard output as JSON."""
    import json
    from dataclasses import asdict, is_dataclass

    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    typer.echo(json.dumps(redact_data(plain), indent=2))
