"""What a pipeline's call takes, read from the source of the diffusers that is installed, without importing it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from datagen.core.errors import nearest


@cache
def call_arguments(pipeline: str) -> tuple[str, ...] | None:
    """Names of what the class's `__call__` takes; None where diffusers is not installed, or its source does not tell.

    Raises `ValueError` if diffusers is there and has no such pipeline.
    """
    folder = _pipelines()
    if folder is None:
        return None
    known = set(re.findall(r'"(\w+Pipeline)"', (folder.parent / "__init__.py").read_text("utf-8")))
    if pipeline not in known:
        raise ValueError(f"diffusers has no '{pipeline}'; {nearest(pipeline, known)}")
    for source in _sources(folder, pipeline):
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.ClassDef) and statement.name == pipeline:
                return _of_call(statement)
    return None


def _pipelines() -> Path | None:
    spec = find_spec("diffusers")
    return Path(spec.origin).parent / "pipelines" if spec and spec.origin else None


def _sources(folder: Path, pipeline: str) -> Iterator[str]:
    for path in sorted(folder.rglob("pipeline_*.py")):
        source = path.read_text("utf-8")
        if f"\nclass {pipeline}(" in source:
            yield source


def _of_call(found: ast.ClassDef) -> tuple[str, ...] | None:
    for statement in found.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__call__":
            arguments = statement.args
            return tuple(each.arg for each in (*arguments.args[1:], *arguments.kwonlyargs))
    return None
