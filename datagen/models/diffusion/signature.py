"""Read the arguments of a pipeline's call from the source of the installed diffusers.

Nothing of diffusers is imported: that would take seconds and bring in torch, and `check` needs neither.
"""

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
    """Names of the arguments of the class's `__call__`; None if diffusers is not installed or the source has none.

    Raises `ValueError` if diffusers is installed and has no such pipeline.
    """
    folder = _pipelines_folder()
    if folder is None:
        return None
    known = set(re.findall(r'"(\w+Pipeline)"', (folder.parent / "__init__.py").read_text("utf-8")))
    if pipeline not in known:
        raise ValueError(f"diffusers has no '{pipeline}'; {nearest(pipeline, known)}")
    for source in _sources(folder, pipeline):
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.ClassDef) and statement.name == pipeline:
                return _arguments_of_call(statement)
    return None


def _pipelines_folder() -> Path | None:
    spec = find_spec("diffusers")
    return Path(spec.origin).parent / "pipelines" if spec and spec.origin else None


def _sources(folder: Path, pipeline: str) -> Iterator[str]:
    for path in sorted(folder.rglob("pipeline_*.py")):
        source = path.read_text("utf-8")
        if f"\nclass {pipeline}(" in source:
            yield source


def _arguments_of_call(cls: ast.ClassDef) -> tuple[str, ...] | None:
    for statement in cls.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__call__":
            arguments = statement.args
            return tuple(each.arg for each in (*arguments.args[1:], *arguments.kwonlyargs))
    return None
