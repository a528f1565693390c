"""What a shell offers to complete a word with. Whatever goes wrong, it offers nothing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

_MAX_WORDS = 50
"""Words that are offered at once."""
_TOPICS = ("stages", "fields", "sources", "models", "config")


def configs(incomplete: str) -> list[str]:
    """Configs and folders that begin so."""
    own = _matching((str(path) for path in Path("configs").glob("*.yaml")), incomplete) if not incomplete else []
    return own or [path for path in _paths(incomplete) if path.endswith(("/", ".yaml", ".yml"))]


def outs(incomplete: str) -> list[str]:
    """Folders that begin so; where nothing is typed yet, those below `out`."""
    own = sorted(str(path.parent.parent) for path in Path("out").glob("*/run/config.yaml")) if not incomplete else []
    return own or [path for path in _paths(incomplete) if path.endswith("/")]


def profiles(ctx: typer.Context, incomplete: str) -> list[str]:
    """Profiles of the config that was typed."""
    with suppress(Exception):
        from datagen.pipeline.yaml_file import read_yaml

        config = ctx.params.get("config") or ctx.args[0]  # the parser has stopped at an option without its value
        return _matching(read_yaml(Path(str(config))).data["profiles"], incomplete)
    return []


def topics(incomplete: str) -> list[str]:
    """What `describe` tells of."""
    with suppress(Exception):
        from datagen.cli.common import import_from_here
        from datagen.pipeline.registry import stage_names

        import_from_here()
        return _matching([*_TOPICS, *sorted(stage_names())], incomplete)
    return _matching(_TOPICS, incomplete)


def keys(ctx: typer.Context, incomplete: str) -> list[str]:
    """Keys of the dataset that was typed, if it lies on this machine."""
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
    """What lies there and begins so, folders with a slash behind them; hidden ones only if a dot is typed."""
    folder, _, name = incomplete.rpartition("/")
    start = f"{folder}/" if "/" in incomplete else ""
    with suppress(OSError):
        found = sorted(Path(start or ".").expanduser().iterdir())
        names = (f"{start}{path.name}{'/' if path.is_dir() else ''}" for path in found)
        return _matching((path for path in names if name or not path.removeprefix(start).startswith(".")), incomplete)
    return []
