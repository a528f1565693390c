"""What commands share: the application, its exit codes, common options, and how a config becomes a graph."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import typer

if TYPE_CHECKING:
    from datagen.nodes import Graph

OK, BROKEN, WRONG, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="datagen",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="""Build training sets for instruction-based image editing.

    \b
    python -m datagen run configs/subject_add.yaml           make the demo dataset
    python -m datagen check configs/subject_add.yaml         find what is wrong, in a second
    python -m datagen plan configs/subject_add.yaml          what would run, where, and why
    python -m datagen describe stages                        what there is to build from
    python -m datagen verify out/subject_add                 prove that it is whole
    python -m datagen show out/subject_add coins__3          one sample and its history
    python -m datagen report out/subject_add                 a page of pictures and numbers
    python -m datagen gc out/subject_add                     free what older runs left
    """,
    epilog="Exit codes: 0 all went well, 1 the program broke, 2 the command or config is wrong, "
    "3 the run finished but some records failed, 130 interrupted, and the same command goes on.",
)


class Engine(StrEnum):
    """Where stages run."""

    ray = "ray"
    local = "local"


Config = Annotated[Path, typer.Argument(help="A pipeline, such as configs/subject_add.yaml.", metavar="CONFIG")]
ProfileOption = Annotated[str, typer.Option("--profile", "-p", help="Which choice of models.", metavar="NAME")]
SetOption = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it
    typer.Option("--set", "-s", help="Change one value: seed=1, or STAGE.OPTION=VALUE.", metavar="A.B=C"),
]
RayAddress = Annotated[str, typer.Option(help="A running Ray cluster: auto or HOST:6379.", metavar="ADDRESS")]


class Code(StrEnum):
    """What becomes of results whose stage's code changed though its version did not."""

    rerun = "rerun"
    reuse = "reuse"


CodeOption = Annotated[
    Optional[Code],  # noqa: UP045 - typer reads it
    typer.Option(
        help="Where a stage's code changed and its version did not: compute its results anew, or use them for good. "
        "If not given, they are used, and the run says so."
    ),
]


def chosen(code: Code | None) -> Literal["", "rerun", "reuse"]:
    """What was said of changed code; '' for nothing."""
    return code.value if code else ""


def graph_of(config: Path, profile: str, sets: list[str] | None) -> Graph:
    """The graph of a config. Raises `ConfigError`."""
    from datagen.config import load
    from datagen.graph import build

    import_from_here()
    return build(load(config, profile=profile, sets=sets or []))


def import_from_here() -> None:
    """Let `stages/` and plugins of the current folder be imported, also by the installed command."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
