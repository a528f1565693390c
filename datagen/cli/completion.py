"""Shell completion of configs, folders, profiles, topics and keys. If anything goes wrong, it offers nothing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

_MAX_WORDS = 50
"""The most words to offer."""
_TOPICS = ("stages", "fields", "sources", "models", "config", "training", "evaluation")


def configs(incomplete: str) -> list[str]:
    """Config files and folders that begin with the typed text; those in `configs` if nothing is typed."""
    own = _matching((str(path) for path in Path("configs").glob("*.yaml")), incomplete) if not incomplete else []
    return own or [path for path in _paths(incomplete) if path.endswith(("/", ".yaml", ".yml"))]


def outs(incomplete: str) -> list[str]:
    """Folders that begin with the typed text; datasets in `out` if nothing is typed."""
    own = sorted(str(path.parent.parent) for path in Path("out").glob("*/run/config.yaml")) if not incomplete else []
    return own or [path for path in _paths(incomplete) if path.endswith("/")]


def profiles(ctx: typer.Context, incomplete: str) -> list[str]:
    """Profiles of the config on the command line."""
    with suppress(Exception):
        from datagen.pipeline.yaml_file import read_yaml

        config = (
            ctx.params.get("config", "training") or ctx.args[0]
        )  # the parser has stopped at an option without its value
        return _matching(read_yaml(Path(str(config))).data["profiles"], incomplete)
    return []


def topics(incomplete: str) -> list[str]:
    """Topics and stages that `describe` knows."""
    with suppress(Exception):
        from datagen.cli.common import import_from_here
        from datagen.pipeline.registry import stage_names

        import_from_here()
        return _matching([*_TOPICS, *sorted(stage_names())], incomplete)
    return _matching(_TOPICS, incomplete)


def keys(ctx: typer.Context, incomplete: str) -> list[str]:
    """Keys of the dataset on the command line, if it is on this machine."""
    with suppress(Exception):
        import pyarrow.parquet as pq

        from datagen.shards.index import INDEX

        path = Path(str(ctx.params["out"])) / INDEX
        column: Any = pq.ParquetFile(path, pre_buffer=False).read(columns=["key"], use_threads=False)["key"]
        return _matching(sorted(column.to_pylist()), incomplete)
    return []


def _matching(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)][:_MAX_WORDS]


def _paths(incomplete: str) -> list[str]:
    """Paths that begin with the typed text, folders with a slash at the end; hidden ones only after a dot."""
    folder, _, name = incomplete.rpartition("/")
    start = f"{folder}/" if "/" in incomplete else ""
    with suppress(OSError):
        found = sorted(Path(start or ".").expanduser().iterdir())
        names = (f"{start}{path.name}{'/' if path.is_dir() else ''}" for path in found)
        return _matching((path for path in names if name or not path.removeprefix(start).startswith(".")), incomplete)
    return []
